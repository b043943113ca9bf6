#pragma once

// concurrent_map: a hash map that may be used by any number of goroutines and threads at once.
//
//   weft::concurrent_map<std::string, int> scores;
//   scores.store("ann", 3);
//   if (auto score = scores.load("ann")) show(*score);
//   auto [score, was_there] = scores.load_or_store("bob", 0);
//
// The operations are those of Go's sync.Map. Each sees all that was done before the store of what
// it finds. Keys are spread over parts with a lock each, which readers share (rwmutex.h); no lock
// is held while range() calls its function, nor when an operation returns. Hashing, comparing and
// copying keys and values happen under the part's lock, so they must not use the map; what is
// replaced or removed is destroyed without it.

#include <weft/rwmutex.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

namespace weft {

template <class Key, class T, class Hash = std::hash<Key>, class Equal = std::equal_to<Key>>
class concurrent_map {
 public:
  // existing: a value, and whether it was there before.
  struct existing {
    T value;
    bool loaded;
  };

  concurrent_map() = default;
  concurrent_map(const concurrent_map&) = delete;
  concurrent_map& operator=(const concurrent_map&) = delete;
  ~concurrent_map() = default;

  // load: a copy of what is stored for `key`, if anything.
  [[nodiscard]] std::optional<T> load(const Key& key) const {
    const part& p = part_of(key);
    const std::shared_lock hold(p.lock);
    const auto found = p.map.find(key);
    if (found == p.map.end()) return std::nullopt;
    return found->second;
  }

  // store: puts `value` in the place of what was there.
  void store(Key key, T value) { static_cast<void>(swap(std::move(key), std::move(value))); }

  // swap: store, and what was there before, if anything.
  std::optional<T> swap(Key key, T value) {
    part& p = part_of(key);
    const std::unique_lock hold(p.lock);
    const auto [at, fresh] = p.map.try_emplace(std::move(key), std::move(value));
    if (fresh) return std::nullopt;
    return std::exchange(at->second, std::move(value));
  }

  // load_or_store: what is there; if nothing is, stores `value` and gives that.
  existing load_or_store(Key key, T value) {
    part& p = part_of(key);
    {
      const std::shared_lock hold(p.lock);
      const auto found = p.map.find(key);
      if (found != p.map.end()) return {found->second, true};
    }
    const std::unique_lock hold(p.lock);
    const auto [at, fresh] = p.map.try_emplace(std::move(key), std::move(value));
    return {at->second, !fresh};
  }

  // load_and_delete: removes it, and gives what was there, if anything.
  std::optional<T> load_and_delete(const Key& key) {
    auto removed = extract(key, [](const T&) { return true; });
    if (removed.empty()) return std::nullopt;
    return std::move(removed.mapped());
  }

  // erase: removes it; true if it was there.
  bool erase(const Key& key) {
    return !extract(key, [](const T&) { return true; }).empty();
  }

  // compare_and_swap: stores `desired` if what is there equals `expected`; true if it did.
  bool compare_and_swap(const Key& key, const T& expected, T desired) {
    part& p = part_of(key);
    const std::unique_lock hold(p.lock);
    const auto found = p.map.find(key);
    if (found == p.map.end() || !(found->second == expected)) return false;
    using std::swap;
    swap(found->second, desired);
    return true;
  }

  // compare_and_delete: removes it if what is there equals `expected`; true if it did.
  bool compare_and_delete(const Key& key, const T& expected) {
    return !extract(key, [&](const T& there) { return there == expected; }).empty();
  }

  // range: calls f(key, value) for all that are there until one call returns false. No snapshot:
  // no key comes twice, but what is stored or removed meanwhile may be seen or not. `f` gets copies
  // and may use the map.
  template <class F>
    requires std::is_invocable_r_v<bool, F&, const Key&, const T&>
  void range(F f) const {
    for (const part& p : parts_) {
      std::vector<std::pair<Key, T>> copies;
      {
        const std::shared_lock hold(p.lock);
        copies.assign(p.map.begin(), p.map.end());
      }
      for (const auto& [key, value] : copies) {
        if (!std::invoke(f, key, value)) return;
      }
    }
  }

  // clear: removes all.
  void clear() {
    for (part& p : parts_) {
      map_type dropped;
      const std::unique_lock hold(p.lock);
      dropped.swap(p.map);
    }
  }

 private:
  using map_type = std::unordered_map<Key, T, Hash, Equal>;

  struct alignas(64) part {
    mutable rwmutex lock;
    map_type map;  // guarded by lock
  };
  static constexpr int part_bits = 5;

  // part_of: by other bits of the hash than those by which the map in the part is ordered.
  std::size_t index_of(const Key& key) const {
    const std::uint64_t mixed = std::uint64_t{Hash()(key)} * 0x9e3779b97f4a7c15;
    return static_cast<std::size_t>(mixed >> (64 - part_bits));
  }
  part& part_of(const Key& key) { return parts_[index_of(key)]; }
  const part& part_of(const Key& key) const { return parts_[index_of(key)]; }

  // extract: takes it out if it is there and `wanted`.
  template <class F>
  typename map_type::node_type extract(const Key& key, F wanted) {
    part& p = part_of(key);
    const std::unique_lock hold(p.lock);
    const auto found = p.map.find(key);
    if (found == p.map.end() || !wanted(found->second)) return {};
    return p.map.extract(found);
  }

  std::array<part, std::size_t{1} << part_bits> parts_;
};

}  // namespace weft
