#pragma once

// inspect: what can be seen from outside: the list of goroutines, the proven deadlock, SIGQUIT, and
// the last words of a goroutine that an exception leaves.

namespace weft::sched {

class scheduler;

// inspect_enter, inspect_leave: a scheduler exists from one to the other; lists show it.
void inspect_enter(scheduler& s) noexcept;
void inspect_leave(scheduler& s) noexcept;

// visit_only_scheduler: the one scheduler that exists, with a visit begun; null when there is none
// or more than one.
[[nodiscard]] scheduler* visit_only_scheduler() noexcept;

// for_each_scheduler: calls `f(s, argument)` for every scheduler that exists, each visited
// meanwhile (run() does not return). In a process that dies (`crashed`) it takes no lock, which the
// dying thread may hold, and visits none.
void for_each_scheduler(void (*f)(scheduler& s, void* argument), void* argument, bool crashed);

// set_reporter: who writes to descriptor 2 what SIGQUIT asks for, and what a process that dies
// (`crashed`) leaves behind; returns false where it cannot. Without one list_goroutines() does. May
// allocate.
void set_reporter(bool (*report)(bool crashed) noexcept) noexcept;

// thread_begins, thread_ends: a thread of weft's own, which wakes no goroutine: it stands in the
// way of no proof of a deadlock. thread_begins: before it is started.
void thread_begins() noexcept;
void thread_ends() noexcept;

// watch_ends: `f` is called by each runtime's first goroutine when its function has returned,
// before the others are dropped. Null: no more.
void watch_ends(void (*f)(scheduler& s)) noexcept;
// watched_end: calls it.
void watched_end(scheduler& s);

// goroutines_dropped: whether any run() has ended while goroutines stood where they were: their
// stacks are gone, but what they waited for may still name them.
[[nodiscard]] bool goroutines_dropped() noexcept;
void note_dropped(bool any) noexcept;

// list_goroutines: writes every goroutine of every scheduler to descriptor 2. Does not stop
// anybody; makes no allocation.
void list_goroutines() noexcept;

// watch_sigquit: from now on SIGQUIT lists the goroutines; with `exits`, the process then ends with
// status 2 as Go's does. Replaces the handler of SIGQUIT; starts one thread, once.
void watch_sigquit(bool exits);

}  // namespace weft::sched
