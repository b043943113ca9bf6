// locals: a table of values per goroutine (or thread), by the index of their key. A lookup is a
// comparison of the key's serial: an index that was given to another key since finds nothing of the
// old one's. The values are chained as well, the youngest first: that is the order in which they
// go.
//
// All of it is the owner's alone, except the indices that are free.

#include "sched/locals.h"

#include <weft/goroutine_local.h>

#include <memory>
#include <utility>
#include <vector>

#include "base/lock.h"
#include "sched/scheduler.h"

namespace weft::sched {
namespace {

using detail::local_key;
using detail::local_value;

// keys: the indices in use. Never destroyed: static objects may be goroutine_locals, or end them.
struct key_registry {
  base::lock<base::rank::leaf> lock;
  std::vector<std::uint32_t> free;  // guarded by lock; has room for all that were made
  std::uint32_t made = 0;           // guarded by lock
  std::uint64_t serial = 0;         // guarded by lock
};

key_registry& keys() {
  static auto* const registry = new key_registry();
  return *registry;
}

}  // namespace

class local_table {
 public:
  [[nodiscard]] local_value* find(const local_key& key) const noexcept {
    if (key.index >= slots_.size()) return nullptr;
    local_value* v = slots_[key.index];
    return v != nullptr && v->key.serial == key.serial ? v : nullptr;
  }

  void add(const local_key& key, local_value& value) {
    if (key.index >= slots_.size()) slots_.resize(key.index + 1);
    value.key = key;
    value.older = std::exchange(youngest_, &value);
    slots_[key.index] = &value;
  }

  local_value* take(const local_key& key) noexcept {
    local_value* v = find(key);
    if (v == nullptr) return nullptr;
    slots_[key.index] = nullptr;
    local_value** at = &youngest_;
    while (*at != v) at = &(*at)->older;
    *at = v->older;
    return v;
  }

  // end: the destructors may make new values: until they do not.
  void end() noexcept {
    while (local_value* v = youngest_) {
      youngest_ = v->older;
      if (slots_[v->key.index] == v) slots_[v->key.index] = nullptr;
      v->destroy(v);
    }
  }

 private:
  std::vector<local_value*> slots_;
  local_value* youngest_ = nullptr;
};

namespace {

// The plain thread's table, and what ends it: apart, so that objects of the thread that are
// destroyed later find none, and may make another, which is then left.
thread_local local_table* thread_table = nullptr;

struct thread_end {
  thread_end() = default;
  thread_end(const thread_end&) = delete;
  thread_end& operator=(const thread_end&) = delete;
  ~thread_end() {
    if (thread_table == nullptr) return;
    thread_table->end();
    delete std::exchange(thread_table, nullptr);
  }
};

// table_slot: where the caller's table stands. Not to be kept over a switch.
[[gnu::noinline]] local_table*& table_slot() noexcept {
  if (goroutine* g = current_goroutine()) return g->locals;
  static thread_local const thread_end at_end;
  return thread_table;
}

}  // namespace

void end_locals(goroutine& g) noexcept {
  g.locals->end();
  delete std::exchange(g.locals, nullptr);
}

}  // namespace weft::sched

namespace weft::detail {

local_key make_local_key() {
  auto& registry = sched::keys();
  std::vector<std::uint32_t> larger;
  for (;;) {
    {
      const base::locked hold(registry.lock);
      if (!registry.free.empty()) {
        const auto index = registry.free.back();
        registry.free.pop_back();
        return {index, ++registry.serial};
      }
      if (registry.made < registry.free.capacity()) return {registry.made++, ++registry.serial};
      // No index is free: nothing in `free` needs to be moved.
      if (larger.capacity() > registry.free.capacity()) registry.free.swap(larger);
      if (registry.made < registry.free.capacity()) return {registry.made++, ++registry.serial};
    }
    larger.reserve(2 * larger.capacity() + 16);
  }
}

void drop_local_key(const local_key& key) noexcept {
  auto& registry = sched::keys();
  const base::locked hold(registry.lock);
  registry.free.push_back(key.index);  // there is room: no allocation
}

local_value* find_local(const local_key& key) noexcept {
  const sched::local_table* table = sched::table_slot();
  return table != nullptr ? table->find(key) : nullptr;
}

void add_local(const local_key& key, local_value& value) {
  auto*& table = sched::table_slot();
  if (table == nullptr) table = new sched::local_table();
  table->add(key, value);
}

local_value* take_local(const local_key& key) noexcept {
  sched::local_table* table = sched::table_slot();
  return table != nullptr ? table->take(key) : nullptr;
}

}  // namespace weft::detail
