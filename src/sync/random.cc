#include "sync/random.h"

#include "sched/environment.h"
#include "sched/machine.h"

namespace weft::sync {
namespace {

// thread_random: a plain thread's generator, of the same kind as a machine's.
[[gnu::noinline]] std::uint64_t thread_random() noexcept {
  thread_local std::uint64_t state = sched::random_seed() | 1;
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return state * 0x2545f4914f6cdd1dULL;
}

}  // namespace

std::uint64_t random_bits() noexcept {
  sched::machine* m = sched::current_machine();
  return m != nullptr ? m->random() : thread_random();
}

}  // namespace weft::sync
