#pragma once

// How an element travels. Small trivially copyable ones as their bytes; empty ones not at all;
// others in a cell, of which the channel moves the pointer. So no code of the element's type runs
// under the channel's lock. Not for users.

#include <weft/detail/channel_core.h>

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace weft::detail {

// element_bytes_max: the largest element that is copied under the lock.
inline constexpr std::size_t element_bytes_max = 128;

template <class T>
inline constexpr bool element_is_empty = std::is_empty_v<T> && std::is_trivially_copyable_v<T> &&
                                         std::is_trivially_default_constructible_v<T>;

template <class T>
inline constexpr bool element_is_bytes =
    std::is_trivially_copyable_v<T> && sizeof(T) <= element_bytes_max;

template <class T>
inline constexpr std::size_t element_size = element_is_empty<T>   ? 0
                                            : element_is_bytes<T> ? sizeof(T)
                                                                  : sizeof(void*);

template <class T>
void destroy_cell(T* cell) noexcept {
  std::destroy_at(cell);
  give_cell(cell, sizeof(T), alignof(T));
}

template <class T>
void drop_element(void* slot) noexcept {
  destroy_cell(*static_cast<T**>(slot));
}

// dropper: what make_channel() takes for elements of type T.
template <class T>
constexpr auto dropper() noexcept -> void (*)(void*) noexcept {
  if constexpr (element_is_bytes<T>) {
    return nullptr;
  } else {
    return drop_element<T>;
  }
}

template <class T, class... Args>
T* fill_cell(Args&&... args) {
  void* cell = take_cell(sizeof(T), alignof(T));
  if constexpr (std::is_nothrow_constructible_v<T, Args...>) {
    return ::new (cell) T(std::forward<Args>(args)...);
  } else {
    try {
      return ::new (cell) T(std::forward<Args>(args)...);
    } catch (...) {
      give_cell(cell, sizeof(T), alignof(T));
      throw;
    }
  }
}

// incoming: room for an element to arrive in.
template <class T>
class incoming {
 public:
  incoming() noexcept {}
  incoming(const incoming&) = delete;
  incoming& operator=(const incoming&) = delete;

  void* slot() noexcept { return element_is_bytes<T> ? static_cast<void*>(bytes_) : &cell_; }

  // take: once, after an element has arrived: moves it into an `R` made from `args` and the
  // element, with nothing in between: it may be large.
  template <class R = T, class... Args>
  R take(Args... args) noexcept {
    if constexpr (element_is_empty<T>) {
      return R(args..., T());
    } else if constexpr (element_is_bytes<T>) {
      return R(args..., std::move(*std::launder(reinterpret_cast<T*>(bytes_))));
    } else {
      struct emptied {
        T* cell;
        ~emptied() { destroy_cell(cell); }
      } const from{cell_};
      return R(args..., std::move(*from.cell));
    }
  }

 private:
  union {
    alignas(T) std::byte bytes_[element_is_bytes<T> ? sizeof(T) : 1];
    T* cell_;
  };
};

// outgoing: an element on its way; one that was moved in and was not sent goes back to where it
// was.
template <class T>
class outgoing {
 public:
  explicit outgoing(const T& value) {
    if constexpr (element_is_bytes<T>) {
      direct_ = std::addressof(value);
    } else {
      cell_ = fill_cell<T>(value);
    }
  }
  explicit outgoing(T&& value) {
    if constexpr (element_is_bytes<T>) {
      direct_ = std::addressof(value);
    } else {
      cell_ = fill_cell<T>(std::move(value));
      origin_ = std::addressof(value);
    }
  }
  outgoing(const outgoing&) = delete;
  outgoing& operator=(const outgoing&) = delete;
  ~outgoing() {
    if (cell_ == nullptr) return;
    if (origin_ != nullptr) give_back();
    destroy_cell(cell_);
  }

  const void* slot() const noexcept {
    return element_is_bytes<T> ? static_cast<const void*>(direct_) : &cell_;
  }
  // sent: it belongs to somebody else now.
  void sent() noexcept { cell_ = nullptr; }

 private:
  void give_back() noexcept {
    if constexpr (std::is_nothrow_move_assignable_v<T>) {
      *origin_ = std::move(*cell_);  // which may be a part of a larger object
    } else {
      std::destroy_at(origin_);
      std::construct_at(origin_, std::move(*cell_));
    }
  }

  const T* direct_ = nullptr;
  T* cell_ = nullptr;
  T* origin_ = nullptr;
};

}  // namespace weft::detail
