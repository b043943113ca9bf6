#pragma once

// process: what its tests need besides the public header.

namespace weft::process {

// wait_by_pidfd: whether children started from now on are waited for through a pidfd; true at
// first. Without, as on a kernel that has none.
void wait_by_pidfd(bool on) noexcept;

}  // namespace weft::process
