package main

// An engine is one command of a campaign.
type engine struct {
	name    string
	command []string
	records []string            // that it writes
	sizes   map[string][]string // environment, by size; one that is missing leaves it out
}

// tests returns the command that runs tests of a package for as long as it takes.
func tests(pkg, tags, run string) []string {
	return []string{
		"go", "test", "-tags", tags, "-run", "^(" + run + ")$", "-count=1", "-timeout=12h", "-v",
		pkg,
	}
}

// same is the environment of an engine that has one size only.
func same(env ...string) map[string][]string {
	return map[string][]string{"small": env, "release": env}
}

// engines are all of them, the ones whose findings matter most first.
var engines = []engine{
	{
		name: "kills", command: tests("./channel", "fault", "TestKillsAnywhereInChains"),
		records: []string{"kills"},
		sizes: map[string][]string{
			"small": {"SHMRING_POINTKILLS=1000"}, "release": {"SHMRING_POINTKILLS=100000"},
		},
	},
	{
		name: "chaos", command: tests("./channel", "", "TestChaosKeepsEveryPromise"),
		records: []string{"chaos"},
		sizes: map[string][]string{
			"small":   {"SHMRING_CHAOSMESSAGES=200000"},
			"release": {"SHMRING_CHAOSMESSAGES=10000000"},
		},
	},
	{
		name:    "histories",
		command: tests("./channel", "", "TestHistoriesOfProcessesAreLinearizable"),
		records: []string{"histories"},
		sizes: map[string][]string{
			"small": {"SHMRING_HISTORIES=50"}, "release": {"SHMRING_HISTORIES=1000"},
		},
	},
	{
		name: "closing",
		command: tests("./channel", "",
			"TestCloseRacesPartAcceptedFromRefused|TestEndBesideARollbackIsFinal"),
		records: []string{"closeraces", "rollbackraces"},
		sizes: map[string][]string{
			"small":   {"SHMRING_CLOSERACES=1000", "SHMRING_ROLLBACKRACES=200"},
			"release": {"SHMRING_CLOSERACES=20000", "SHMRING_ROLLBACKRACES=5000"},
		},
	},
	{
		name:    "instructions",
		command: tests("./channel", "", "TestKillAtEveryInstruction"),
		records: []string{"instructions"},
		sizes: map[string][]string{
			"small":   {"SHMRING_INSTRUCTIONPASSES=0"},
			"release": {"SHMRING_INSTRUCTIONPASSES=1", "SHMRING_CONTROLSPOTS=500"},
		},
	},
	{
		name:    "stops",
		command: tests("./channel", "", "TestStopAtInstructionsRobsNobody"),
		records: []string{"instructionstops"},
		sizes: map[string][]string{
			"small": {"SHMRING_INSTRUCTIONPASSES=0"}, "release": {"SHMRING_INSTRUCTIONPASSES=1"},
		},
	},
	{
		name: "schedules", command: tests("./ring", "fault", "TestEverySchedule"),
		records: []string{"schedules"},
		sizes:   map[string][]string{"small": nil, "release": {"SHMRING_EXPLORE=1"}},
	},
	{
		name: "doublefetch", command: tests("./ring", "fault",
			"TestEveryWordMayChangeBetweenAnyTwoAccesses"),
		records: []string{"doublefetch"},
		sizes: map[string][]string{
			"small": {"SHMRING_MUTATEROUNDS=1"}, "release": {"SHMRING_MUTATEROUNDS=20"},
		},
	},
	{
		name: "hostile", command: tests("./channel", "", "TestHostileWriterBesideEveryCall"),
		records: []string{"hostile"},
		sizes: map[string][]string{
			"small": {"SHMRING_HOSTILESECONDS=10"}, "release": {"SHMRING_HOSTILESECONDS=180"},
		},
	},
	{
		name: "rapid", command: tests("./channel", "", "TestChannelDoesWhatItsModelDoes"),
		records: []string{"rapid"},
		sizes: map[string][]string{
			"small": {"SHMRING_RAPIDCHECKS=300"}, "release": {"SHMRING_RAPIDCHECKS=10000"},
		},
	},
	{
		name: "death", command: tests("./channel", "", "TestDeathIsToldByNameAndTheOthersGoOn"),
		records: []string{"death"},
		sizes: map[string][]string{
			"small": {"SHMRING_DEATHS=50"}, "release": {"SHMRING_DEATHS=500"},
		},
	},
	{
		name: "stores", command: tests("./channel", "", "TestNothingIsStoredAfterTheLocksAreFree"),
		records: []string{"stores"},
		sizes: map[string][]string{
			"small": {"SHMRING_STORES=50"}, "release": {"SHMRING_STORES=1000"},
		},
	},
	{
		name:    "storms",
		command: tests("./channel", "", "TestWakeThatIsSpentOnADyingProcessIsNotMissedByTheOther"),
		records: []string{"storms"},
		sizes: map[string][]string{
			"small": {"SHMRING_STORMS=50"}, "release": {"SHMRING_STORMS=1000"},
		},
	},
	{
		name: "idle", command: tests("./channel", "", "TestIdleWaitersCostNextToNothing"),
		records: []string{"idle"},
		sizes: map[string][]string{
			"small": {"SHMRING_IDLESECONDS=5"}, "release": {"SHMRING_IDLESECONDS=60"},
		},
	},
	{
		name: "damage", command: tests("./channel", "",
			"TestWhoeverIsAtWorkSurvivesDamageOfEveryPage"),
		records: []string{"damage"},
		sizes: map[string][]string{
			"small": {"SHMRING_DAMAGEPAGES=3"}, "release": {"SHMRING_DAMAGEPAGES=1000"},
		},
	},
	{
		name: "storm", command: tests("./channel", "",
			"TestOfManyProcessesOneCreatesAndTheLastRemoves|TestWhatSomebodyHasOpenIsNeverRemoved"),
		records: []string{"storm", "sweep"},
		sizes: map[string][]string{
			"small":   {"SHMRING_STORMROUNDS=50", "SHMRING_SWEEPROUNDS=300"},
			"release": {"SHMRING_STORMROUNDS=2000", "SHMRING_SWEEPROUNDS=3000"},
		},
	},
	{
		name: "leaks", command: tests("./channel", "",
			"TestWhoSurvivesManyDeathsHoldsNoMoreThanBefore"),
		records: []string{"leaks"},
		sizes: map[string][]string{
			"small": {"SHMRING_LEAKCYCLES=300"}, "release": {"SHMRING_LEAKCYCLES=10000"},
		},
	},
	{
		name: "shutdowns", command: tests("./manager", "fault",
			"TestKillOfACloserAnywhereIsCompletedByAnother"),
		records: []string{"shutdowns"},
		sizes: map[string][]string{
			"small": {"SHMRING_SHUTDOWNKILLS=300"}, "release": {"SHMRING_SHUTDOWNKILLS=5000"},
		},
	},
	{
		name: "graphs", command: tests("./manager", "",
			"TestGraphOfChannelsUnderLoadEndsInOrderAndAccountsForEveryMessage|"+
				"TestManyChannelsOfOneProcess"),
		records: []string{"graphs", "manychannels"},
		sizes: map[string][]string{
			"small":   {"SHMRING_GRAPHRUNS=20", "SHMRING_MANYCHANNELS=1000"},
			"release": {"SHMRING_GRAPHRUNS=200", "SHMRING_MANYCHANNELS=1000"},
		},
	},
	{
		name: "syscalls", command: tests("./channel", "", "TestEverySystemCallMayFail"),
		records: []string{"syscalls"},
		sizes: map[string][]string{
			"small": {"SHMRING_SYSCALLFAULTS=200"}, "release": {"SHMRING_SYSCALLFAULTS=100000"},
		},
	},
	{
		name: "models", command: []string{"docs/model/run.sh"},
		records: []string{"models"}, sizes: same(),
	},
	{
		name: "mutants", command: []string{"go", "run", "./internal/mutants", "-write"},
		records: []string{"mutants"}, sizes: map[string][]string{"release": nil},
	},
	{
		name:    "fuzz",
		command: []string{"make", "fuzz"},
		records: []string{"fuzz"},
		sizes:   map[string][]string{"small": {"T=5s"}, "release": {"T=160s"}},
	},
}
