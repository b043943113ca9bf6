#pragma once

// calls: which system calls threads sit in, for people to read.

#include <span>
#include <string>

namespace weft::sched {

// calls_of: what this process's threads `ids` do at the moment, the most frequent first: "12 in
// read, 3 in futex, 1 running". Those that the kernel does not tell of are "elsewhere".
[[nodiscard]] std::string calls_of(std::span<const int> ids);

}  // namespace weft::sched
