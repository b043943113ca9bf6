#include "sched/debugger.h"

#include <array>
#include <utility>

#include "sched/labels.h"
#include "sched/scheduler.h"
#include "stack/stack.h"

namespace weft::sched {

constinit base::atomic<scheduler*> registry[schedulers_max];

// debug_entry: a number or an address by its name. The last one of a table has no name.
struct debug_entry {
  const char* name = nullptr;
  std::size_t value = 0;
  const void* address = nullptr;
};

// debug_access: what is private to others.
struct debug_access {
  // Of classes that are not as C's the standard does not promise it; g++ and clang know.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"
  static constexpr std::array layout = {
      debug_entry{"registry.size", schedulers_max, registry},
      debug_entry{"scheduler.pool", offsetof(scheduler, pool_)},
      debug_entry{"pool.slabs", offsetof(goroutine_pool, slabs_)},
      debug_entry{"pool.count", offsetof(goroutine_pool, count_)},
      debug_entry{"slab.size", sizeof(goroutine_pool::home)},
      debug_entry{"slab.records", offsetof(goroutine_pool::home, records)},
      debug_entry{"slab.goroutines", goroutine_pool::slab_records},
      debug_entry{"goroutine.size", sizeof(goroutine)},
      debug_entry{"goroutine.word", offsetof(goroutine, word_)},
      debug_entry{"goroutine.id", offsetof(goroutine, id)},
      debug_entry{"goroutine.name", offsetof(goroutine, name)},
      debug_entry{"goroutine.name_size", name_size},
      debug_entry{"goroutine.site_file", offsetof(goroutine, site_file)},
      debug_entry{"goroutine.site_function", offsetof(goroutine, site_function)},
      debug_entry{"goroutine.site_line", offsetof(goroutine, site_line)},
      debug_entry{"goroutine.reason", offsetof(goroutine, reason)},
      debug_entry{"goroutine.object", offsetof(goroutine, object)},
      debug_entry{"goroutine.labels", offsetof(goroutine, labels)},
      debug_entry{"goroutine.locked_to", offsetof(goroutine, locked_to)},
      debug_entry{"goroutine.context", offsetof(goroutine, context)},
      debug_entry{"goroutine.stack", offsetof(goroutine, stack)},
      debug_entry{"stack.low", offsetof(stack::stack, low)},
      debug_entry{"stack.high", offsetof(stack::stack, high)},
      debug_entry{"labels.text", offsetof(label_set, words_)},
      debug_entry{"labels.size", label_set::size},
      debug_entry{},
  };
#pragma GCC diagnostic pop
};

namespace {

constexpr auto reasons = [] {
  constexpr auto count = static_cast<std::size_t>(wait_reason::count_);
  std::array<const char*, count + 1> texts{};
  for (std::size_t i = 0; i < count; ++i) texts[i] = text_of(static_cast<wait_reason>(i)).data();
  return texts;
}();

}  // namespace

// Not const: in a core there is what a program may write.
extern "C" {
[[gnu::used, gnu::retain]] constinit auto weft_debug_layout = debug_access::layout;
[[gnu::used, gnu::retain]] constinit auto weft_debug_reasons = reasons;
}

}  // namespace weft::sched
