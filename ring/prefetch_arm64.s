#include "textflag.h"

// func prefetchWrite(p unsafe.Pointer, stride, n uint64)
TEXT ·prefetchWrite(SB), NOSPLIT, $0-24
	MOVD p+0(FP), R0
	MOVD stride+8(FP), R1
	MOVD n+16(FP), R2
	CBZ  R2, done
loop:
	PRFM (R0), PSTL1KEEP
	ADD  R1, R0, R0
	SUBS $1, R2, R2
	BNE  loop
done:
	RET
