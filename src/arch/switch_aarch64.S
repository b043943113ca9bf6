// switch_aarch64: switch_context and make_context of switch.h for the AAPCS64.
//
// A stack that does not run ends (at context.sp) in this frame, the same for one that was left and
// for one that never ran:
//
//    0  x19 x20    16  x21 x22    32  x23 x24    48  x25 x26    64  x27 x28    80  x29 x30
//   96  d8 d9     112  d10 d11   128  d12 d13   144  d14 d15   160  fpcr, 8 unused
//
// Because both stacks have the same frame, one set of CFI rules is right before and after the
// instruction that exchanges the stack pointers, and unwinders may look at any instruction. Why it
// returns by `ret`: see switch_x86_64.S.

        .text

// void* switch_context(context* from /* x0 */, context to /* x1 */, void* transfer /* x2 */)
        .globl  weft_switch_context
        .type   weft_switch_context, %function
        .p2align 5
weft_switch_context:
        .cfi_startproc
        hint    #34                     // bti c
        sub     sp, sp, #176
        .cfi_def_cfa_offset 176
        mrs     x3, fpcr
        stp     x19, x20, [sp]
        .cfi_offset x19, -176
        .cfi_offset x20, -168
        stp     x21, x22, [sp, #16]
        .cfi_offset x21, -160
        .cfi_offset x22, -152
        stp     x23, x24, [sp, #32]
        .cfi_offset x23, -144
        .cfi_offset x24, -136
        stp     x25, x26, [sp, #48]
        .cfi_offset x25, -128
        .cfi_offset x26, -120
        stp     x27, x28, [sp, #64]
        .cfi_offset x27, -112
        .cfi_offset x28, -104
        stp     x29, x30, [sp, #80]
        .cfi_offset x29, -96
        .cfi_offset x30, -88
        stp     d8, d9, [sp, #96]
        .cfi_offset 72, -80             // 64 + n is the debugger's number of d<n>
        .cfi_offset 73, -72
        stp     d10, d11, [sp, #112]
        .cfi_offset 74, -64
        .cfi_offset 75, -56
        stp     d12, d13, [sp, #128]
        .cfi_offset 76, -48
        .cfi_offset 77, -40
        stp     d14, d15, [sp, #144]
        .cfi_offset 78, -32
        .cfi_offset 79, -24
        str     x3, [sp, #160]
        mov     x4, sp
        str     x4, [x0]
        mov     sp, x1

        // Writing fpcr stalls the pipeline, and it nearly never differs.
        ldr     x4, [sp, #160]
        cmp     x3, x4
        b.ne    .Lload_fpcr
.Lfpcr_done:
        ldp     x19, x20, [sp]
        ldp     x21, x22, [sp, #16]
        ldp     x23, x24, [sp, #32]
        ldp     x25, x26, [sp, #48]
        ldp     x27, x28, [sp, #64]
        ldp     x29, x30, [sp, #80]
        ldp     d8, d9, [sp, #96]
        ldp     d10, d11, [sp, #112]
        ldp     d12, d13, [sp, #128]
        ldp     d14, d15, [sp, #144]
        mov     x0, x2
        .cfi_remember_state
        add     sp, sp, #176
        .cfi_def_cfa_offset 0
        .cfi_restore x19
        .cfi_restore x20
        .cfi_restore x21
        .cfi_restore x22
        .cfi_restore x23
        .cfi_restore x24
        .cfi_restore x25
        .cfi_restore x26
        .cfi_restore x27
        .cfi_restore x28
        .cfi_restore x29
        .cfi_restore x30
        .cfi_restore 72
        .cfi_restore 73
        .cfi_restore 74
        .cfi_restore 75
        .cfi_restore 76
        .cfi_restore 77
        .cfi_restore 78
        .cfi_restore 79
        ret

        .cfi_restore_state
.Lload_fpcr:
        msr     fpcr, x4
        b       .Lfpcr_done
        .cfi_endproc
        .size   weft_switch_context, . - weft_switch_context

// context make_context(void* low /* x0 */, void* high /* x1 */, entry_function entry /* x2 */)
// After the first `ret` the stack pointer is high - 16, with two zero words above for whoever walks
// frame pointers.
        .globl  weft_make_context
        .type   weft_make_context, %function
        .p2align 4
weft_make_context:
        .cfi_startproc
        hint    #34                     // bti c
        mrs     x3, fpcr
        adr     x4, .Lstart
        sub     x0, x1, #192
        stp     x2, xzr, [x0]
        stp     xzr, xzr, [x0, #16]
        stp     xzr, xzr, [x0, #32]
        stp     xzr, xzr, [x0, #48]
        stp     xzr, xzr, [x0, #64]
        stp     xzr, x4, [x0, #80]
        stp     xzr, xzr, [x0, #96]
        stp     xzr, xzr, [x0, #112]
        stp     xzr, xzr, [x0, #128]
        stp     xzr, xzr, [x0, #144]
        stp     x3, xzr, [x0, #160]
        stp     xzr, xzr, [x0, #176]
        ret
        .cfi_endproc
        .size   weft_make_context, . - weft_make_context

// The base of every stack. Unwinders end here: its return address is undefined. They look up a return
// address by the byte before it, so the description begins one instruction before .Lstart. x0 already
// holds the transfer.
        .type   weft_stack_base, %function
        .p2align 4
weft_stack_base:
        .cfi_startproc
        .cfi_undefined x30
        .cfi_def_cfa sp, 16
        nop
.Lstart:
        hint    #34                     // bti c
        blr     x19
        brk     #1                      // an entry function never returns
        .cfi_endproc
        .size   weft_stack_base, . - weft_stack_base

// Indirect branches land on bti; return addresses are not signed and the guarded control stack is not
// switched, so neither PAC nor GCS is claimed.
        .section .note.gnu.property, "a"
        .p2align 3
        .long   4                       // size of the name
        .long   16                      // size of the descriptor
        .long   5                       // NT_GNU_PROPERTY_TYPE_0
        .asciz  "GNU"
        .long   0xc0000000              // GNU_PROPERTY_AARCH64_FEATURE_1_AND
        .long   4
        .long   1                       // GNU_PROPERTY_AARCH64_FEATURE_1_BTI
        .long   0

        .section .note.GNU-stack, "", %progbits
