#pragma once

// pool: keeps things that are expensive to make for whoever needs one next.
//
//   weft::pool<std::string> lines([] { return std::string(); });
//   auto line = lines.get();
//   ...
//   line.clear();
//   lines.put(std::move(line));
//
// It holds at most so many; what is put beyond that is destroyed. Each processor has a part of its
// own, so that they do not get into each other's way; get() looks into the others' before it makes
// a new one. Different from Go: nothing vanishes by itself, clear() empties it.
//
// Usable from any thread at once.

#include <weft/mutex.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {

namespace detail {
// pool_parts: how many parts a pool has: a power of two. pool_part: the caller's part, a number
// that may change whenever it waits.
[[nodiscard]] std::size_t pool_parts() noexcept;
[[nodiscard]] std::size_t pool_part() noexcept;
}  // namespace detail

template <class T>
class pool {
 public:
  static_assert(std::is_nothrow_move_constructible_v<T>,
                "what a pool keeps moves without throwing");

  // kept_max: how many a pool holds for each processor, unless told otherwise.
  static constexpr std::size_t kept_max = 64;

  // pool: `make` is called by get() when there is nothing to take, by several at once.
  explicit pool(std::function<T()> make, std::size_t kept_per_processor = kept_max)
      : make_(std::move(make)), kept_max_(kept_per_processor), parts_(detail::pool_parts()) {}
  pool(const pool&) = delete;
  pool& operator=(const pool&) = delete;
  ~pool() = default;

  // get: one that was put, in no order, or a new one. What was done before the put is visible.
  // Throws what making one throws.
  [[nodiscard]] T get() {
    const std::size_t mine = detail::pool_part();
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      if (auto kept = part_at(mine + i).take(i == 0)) return std::move(*kept);
    }
    return make_();
  }

  // put: gives one back, whoever made it.
  void put(T one) { part_at(detail::pool_part()).keep(one, kept_max_); }

  // clear: destroys all that it holds.
  void clear() {
    for (auto& p : parts_) {
      std::vector<T> dropped;
      const std::lock_guard hold(p.lock);
      dropped.swap(p.kept);
    }
  }

 private:
  struct alignas(64) part {
    mutex lock;
    std::vector<T> kept;  // guarded by lock

    // take: the last that was kept. Another's only if nobody is at it.
    std::optional<T> take(bool own) {
      std::unique_lock hold(lock, std::defer_lock);
      if (own) {
        hold.lock();
      } else if (!hold.try_lock()) {
        return std::nullopt;
      }
      if (kept.empty()) return std::nullopt;
      std::optional<T> last(std::move(kept.back()));
      kept.pop_back();
      return last;
    }

    // keep: leaves `one` to the caller if there is no room.
    void keep(T& one, std::size_t max) {
      const std::lock_guard hold(lock);
      if (kept.size() < max) kept.push_back(std::move(one));
    }
  };

  part& part_at(std::size_t i) noexcept { return parts_[i & (parts_.size() - 1)]; }

  const std::function<T()> make_;
  const std::size_t kept_max_;
  std::vector<part> parts_;
};

}  // namespace weft
