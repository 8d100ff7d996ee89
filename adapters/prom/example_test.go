//go:build linux

package prom_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"shmring/adapters/prom"
	"shmring/channel"
	"shmring/manager"
)

// A program that serves /metrics gives the registry to promhttp.HandlerFor.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("/dev/shm", "shmring-example-*")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	m, err := manager.New(manager.Options{Dir: dir})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	registry := prometheus.NewRegistry()
	registry.MustRegister(prom.NewCollector(m, prom.Options{}))

	requests, err := m.Create(ctx, "requests", channel.Options{})
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		if err := requests.Send(ctx, []byte("hello")); err != nil {
			log.Fatal(err)
		}
	}

	families, err := registry.Gather()
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range families {
		switch f.GetName() {
		case "shmring_channel_depth_slots":
			fmt.Println(f.GetName(), f.GetMetric()[0].GetGauge().GetValue())
		case "shmring_channel_sent_bytes_total":
			fmt.Println(f.GetName(), f.GetMetric()[0].GetCounter().GetValue())
		}
	}
	// Output:
	// shmring_channel_depth_slots 3
	// shmring_channel_sent_bytes_total 15
}
