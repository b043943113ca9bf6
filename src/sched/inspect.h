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

// list_goroutines: writes every goroutine of every scheduler to descriptor 2. Does not stop
// anybody; makes no allocation.
void list_goroutines() noexcept;

// watch_sigquit: from now on SIGQUIT lists the goroutines; with `exits`, the process then ends with
// status 2 as Go's does. Replaces the handler of SIGQUIT; starts one thread, once.
void watch_sigquit(bool exits);

}  // namespace weft::sched
