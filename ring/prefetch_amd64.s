#include "textflag.h"

// func prefetchWrite(p unsafe.Pointer, stride, n uint64)
TEXT ·prefetchWrite(SB), NOSPLIT, $0-24
	MOVQ p+0(FP), AX
	MOVQ stride+8(FP), BX
	MOVQ n+16(FP), CX
	TESTQ CX, CX
	JEQ  done
loop:
	BYTE $0x0F; BYTE $0x0D; BYTE $0x08 // PREFETCHW (AX), which the assembler does not know
	ADDQ BX, AX
	DECQ CX
	JNE  loop
done:
	RET
