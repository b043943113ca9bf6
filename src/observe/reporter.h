#pragma once

namespace weft::observe {

// set_up_reporter: from now on SIGQUIT, and a process that dies of a deadlock or another fatal
// error, show every goroutine with its stack.
void set_up_reporter() noexcept;

}  // namespace weft::observe
