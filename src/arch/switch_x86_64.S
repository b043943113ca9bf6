// switch_x86_64: switch_context and make_context of switch.h for the System V ABI.
//
// A stack that does not run ends (at context.sp) in this frame, the same for one that was left and
// for one that never ran:
//
//    0  mxcsr (4 bytes), x87 control word (2 bytes), 2 unused
//    8  r15      16  r14      24  r13      32  r12      40  rbx      48  rbp
//   56  return address
//
// Because both stacks have the same frame, one set of CFI rules is right before and after the
// instruction that exchanges the stack pointers, and unwinders may look at any instruction.
// The return is a `ret` and not an indirect jump. When all switches come from one call site the return
// stack predicts it, and its depth stays right for the callers: 7 ns with two frames above, against 27
// by jump. Different call sites turn that round (14 against 5), so the scheduler has one.

        .text

// void* switch_context(context* from /* rdi */, context to /* rsi */, void* transfer /* rdx */)
        .globl  weft_switch_context
        .type   weft_switch_context, @function
        .p2align 5
weft_switch_context:
        .cfi_startproc
        endbr64
        subq    $56, %rsp
        .cfi_def_cfa_offset 64
        stmxcsr (%rsp)
        fnstcw  4(%rsp)
        movq    %r15, 8(%rsp)
        .cfi_offset r15, -56
        movq    %r14, 16(%rsp)
        .cfi_offset r14, -48
        movq    %r13, 24(%rsp)
        .cfi_offset r13, -40
        movq    %r12, 32(%rsp)
        .cfi_offset r12, -32
        movq    %rbx, 40(%rsp)
        .cfi_offset rbx, -24
        movq    %rbp, 48(%rsp)
        .cfi_offset rbp, -16
        movl    (%rsp), %ecx
        movzwl  4(%rsp), %r8d
        movq    %rsp, (%rdi)
        movq    %rsi, %rsp

        // Loading the control words costs more than all the rest, and they nearly never differ:
        // comparing first makes them cost below 1 ns, too little for an option to leave them out. The
        // low six bits of mxcsr are sticky flags that the ABI lets any call change.
        xorl    (%rsp), %ecx
        testl   $0xffffffc0, %ecx
        jnz     .Lload_mxcsr
.Lmxcsr_done:
        cmpw    4(%rsp), %r8w
        jne     .Lload_x87
.Lx87_done:
        movq    8(%rsp), %r15
        movq    16(%rsp), %r14
        movq    24(%rsp), %r13
        movq    32(%rsp), %r12
        movq    40(%rsp), %rbx
        movq    48(%rsp), %rbp
        movq    %rdx, %rax
        .cfi_remember_state
        addq    $56, %rsp
        .cfi_def_cfa_offset 8
        .cfi_restore r15
        .cfi_restore r14
        .cfi_restore r13
        .cfi_restore r12
        .cfi_restore rbx
        .cfi_restore rbp
        ret

        .cfi_restore_state
.Lload_mxcsr:
        ldmxcsr (%rsp)
        jmp     .Lmxcsr_done
.Lload_x87:
        fldcw   4(%rsp)
        jmp     .Lx87_done
        .cfi_endproc
        .size   weft_switch_context, . - weft_switch_context

// context make_context(void* low /* rdi */, void* high /* rsi */, entry_function entry /* rdx */)
// After the first `ret` the stack pointer is high - 16: aligned as before a call, with two zero
// words above for whoever walks frame pointers or guesses return addresses.
        .globl  weft_make_context
        .type   weft_make_context, @function
        .p2align 4
weft_make_context:
        .cfi_startproc
        endbr64
        leaq    -80(%rsi), %rax
        stmxcsr (%rax)
        fnstcw  4(%rax)
        xorl    %ecx, %ecx
        movq    %rcx, 8(%rax)
        movq    %rcx, 16(%rax)
        movq    %rcx, 24(%rax)
        movq    %rcx, 32(%rax)
        movq    %rdx, 40(%rax)
        movq    %rcx, 48(%rax)
        leaq    .Lstart(%rip), %rdx
        movq    %rdx, 56(%rax)
        movq    %rcx, 64(%rax)
        movq    %rcx, 72(%rax)
        ret
        .cfi_endproc
        .size   weft_make_context, . - weft_make_context

// The base of every stack. Unwinders end here: its return address is undefined. They look up a return
// address by the byte before it, so the description begins one instruction before .Lstart.
        .type   weft_stack_base, @function
        .p2align 4
weft_stack_base:
        .cfi_startproc
        .cfi_undefined rip
        .cfi_def_cfa rsp, 16
        nop
.Lstart:
        endbr64
        movq    %rax, %rdi
        call    *%rbx
        ud2                             // an entry function never returns
        .cfi_endproc
        .size   weft_stack_base, . - weft_stack_base

// Indirect branches land on endbr64, so IBT is claimed; SHSTK is not: the shadow stack is not
// switched, and a process that claimed it would die at the first `ret` of a switch.
        .section .note.gnu.property, "a", @note
        .p2align 3
        .long   4                       // size of the name
        .long   16                      // size of the descriptor
        .long   5                       // NT_GNU_PROPERTY_TYPE_0
        .asciz  "GNU"
        .long   0xc0000002              // GNU_PROPERTY_X86_FEATURE_1_AND
        .long   4
        .long   1                       // GNU_PROPERTY_X86_FEATURE_1_IBT
        .long   0

        .section .note.GNU-stack, "", @progbits
