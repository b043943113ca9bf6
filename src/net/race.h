#pragma once

// race: connects to the first of several addresses that answers.
//
// Purpose. A name may have addresses that nobody reaches, and a whole family of them: then the
// other must not wait for minutes. So the addresses of each family form a lane, in which one
// attempt is under way at a time; the second lane starts after a delay, or when the first has come
// to its end. Whoever dials waits for both attempts in one wait (pollable::run_any), and withdraws
// and closes what lost before it returns: there is no second goroutine that could be left behind,
// and nothing to hand over.
//
// Rejected: a goroutine per lane, as Go does it. It needs a result handed over, a loser who closes
// what came too late, and word for threads that dial when the runtime ends in between.

#include <weft/error.h>
#include <weft/net/conn.h>
#include <weft/net/dial.h>

#include <cstdint>
#include <span>
#include <vector>

#include "net/pollable.h"
#include "net/unique_fd.h"

namespace weft::net {

// share_min_ns: an address gets at least this much of the time, so that many of them do not starve
// each.
inline constexpr std::int64_t share_min_ns = 2'000'000'000;

// connect_first: `targets` is not empty, and best first. `share_min`: share_min_ns, but for tests.
[[nodiscard]] result<conn> connect_first(std::span<const address> targets, transport kind,
                                         const dial_options& options, const sched::limits& l,
                                         std::int64_t share_min = share_min_ns);

// open_bound: a socket for `to` with the options on it, bound to options.local.
[[nodiscard]] result<unique_fd> open_bound(const address& to, transport kind,
                                           const dial_options& options);

// with_family_of: those of `targets` that a socket bound to `local` can reach; all when it is none.
[[nodiscard]] std::vector<address> with_family_of(const address& local,
                                                  std::vector<address> targets);

}  // namespace weft::net
