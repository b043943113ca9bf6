#pragma once

// goroutine_local: a value that every goroutine has for itself, as a thread_local is every
// thread's. thread_local belongs to the thread, which a goroutine may leave at any wait.
//
//   weft::goroutine_local<std::string> request_id;       // usually of static storage
//   *request_id = "7f3a";                                // this goroutine's
//
// A goroutine has no value until it first asks for it; then one is made. It is destroyed when the
// goroutine ends, on its stack and after its function and what that held, the youngest first;
// destructors may wait, and may use goroutine-locals, also ones that they make anew. Goroutines
// that a run() drops unfinished drop theirs. On a plain thread it is the thread's value, destroyed
// when the thread ends.
//
// New goroutines inherit nothing: what a request's goroutines share belongs into a context or an
// argument; what lists should show, into a label (goroutine.h).
//
// References stay good while the goroutine has the value, over waits and moves to other threads.
// A goroutine_local may be used from everywhere at once, since nobody sees another's value; lending
// a reference to another goroutine is the caller's business. It may end before the goroutines that
// have values do: these live until their goroutine ends.

#include <cstdint>
#include <functional>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

// local_key: which goroutine_local it is. `serial` never repeats; `index` is one that is free
// again.
struct local_key {
  std::uint32_t index = 0;
  std::uint64_t serial = 0;
};

// local_value: one goroutine's value, in front of the T.
struct local_value {
  void (*destroy)(local_value*) noexcept;
  local_key key = {};
  local_value* older = nullptr;
};

[[nodiscard]] local_key make_local_key();
void drop_local_key(const local_key& key) noexcept;
// find_local: the caller's value, or null.
[[nodiscard]] local_value* find_local(const local_key& key) noexcept;
// add_local: gives the caller `value`, which it had none of. Throws bad_alloc.
void add_local(const local_key& key, local_value& value);
// take_local: the caller's value, which it then has no more; null if it had none.
[[nodiscard]] local_value* take_local(const local_key& key) noexcept;

}  // namespace detail

template <class T>
class goroutine_local {
  static_assert(std::is_object_v<T> && std::is_nothrow_destructible_v<T>,
                "goroutine_local<T> wants an object type whose destructor does not throw");

 public:
  // goroutine_local: values are made by T().
  goroutine_local()
    requires std::is_default_constructible_v<T>
      : key_(detail::make_local_key()) {}

  // goroutine_local(make): by `make()`, which any goroutine may call at any time, several at once.
  template <class F>
    requires(std::is_invocable_r_v<T, const F&> &&
             !std::is_same_v<std::remove_cvref_t<F>, goroutine_local>)
  explicit goroutine_local(F make) : make_(std::move(make)), key_(detail::make_local_key()) {}

  goroutine_local(const goroutine_local&) = delete;
  goroutine_local& operator=(const goroutine_local&) = delete;
  ~goroutine_local() { detail::drop_local_key(key_); }

  // get: the caller's value; made now if there is none. Never waits, unless making it does. Throws
  // what making it throws, and bad_alloc; then there is still none.
  [[nodiscard]] T& get() {
    if (auto* found = detail::find_local(key_)) return static_cast<node*>(found)->value;
    return make();
  }
  [[nodiscard]] T& operator*() { return get(); }
  [[nodiscard]] T* operator->() { return &get(); }

  // find: the caller's value, or null; makes none.
  [[nodiscard]] T* find() noexcept {
    auto* found = detail::find_local(key_);
    return found != nullptr ? &static_cast<node*>(found)->value : nullptr;
  }

  // reset: destroys the caller's value, if it has one, now.
  void reset() noexcept {
    if (auto* taken = detail::take_local(key_)) taken->destroy(taken);
  }

 private:
  struct node : detail::local_value {
    template <class... Make>
    explicit node(const Make&... make) : value(make()...) {
      destroy = [](detail::local_value* self) noexcept { delete static_cast<node*>(self); };
    }
    T value;
  };

  [[gnu::noinline]] T& make() {
    node* made = nullptr;
    if constexpr (std::is_default_constructible_v<T>) {
      made = make_ ? new node(make_) : new node();
    } else {
      made = new node(make_);
    }
    struct undo {
      node* made;
      ~undo() { delete made; }
    } rollback{made};
    detail::add_local(key_, *made);
    rollback.made = nullptr;
    return made->value;
  }

  const std::function<T()> make_;
  const detail::local_key key_;
};

}  // namespace weft
