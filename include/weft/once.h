#pragma once

// once: calls a function the first time only.
//
//   static weft::once ready;
//   ready.call([] { load_tables(); });
//
//   static weft::once_value tables([] { return load_tables(); });
//   find(tables(), key);
//
// Usable from plain threads, and before main. It may be destroyed when all its calls have returned.

#include <weft/error.h>
#include <weft/limit.h>

#include <cstddef>
#include <exception>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace weft {

class once {
 public:
  constexpr once() noexcept = default;
  once(const once&) = delete;
  once& operator=(const once&) = delete;
  ~once() = default;

  // call: calls `f` if this is the first call of all; others wait until that one has returned, and
  // see what it did. An error means that `l` ended that wait before. An exception of f passes to
  // its caller and counts as done. Calling it from within f waits for ever.
  template <class F>
  result<void> call(F&& f, const limit& l = {}) {
    const auto first = begin(l);
    if (!first) return std::unexpected(first.error());
    if (!*first) return {};
    struct finish {
      once& self;
      ~finish() { self.end(); }
    } const at_exit{*this};
    std::invoke(std::forward<F>(f));
    return {};
  }

 private:
  // begin: true if the caller has to call f.
  result<bool> begin(const limit& l) noexcept;
  void end() noexcept;

  alignas(8) std::byte core_[16] = {};
};

// once_func: a function that runs once: all calls return when it has run. An exception that leaves
// it is rethrown by every call; if it calls goexit(), the others throw misuse_error. Afterwards the
// function, and what it holds, is gone.
template <class F>
  requires std::is_invocable_v<F>
class once_func {
 public:
  explicit once_func(F f) : f_(std::move(f)) {}

  // (): an error means that `l` ended the wait for another's call.
  result<void> operator()(const limit& l = {}) {
    const auto called = once_.call(
        [this] {
          try {
            std::invoke(*f_);
          } catch (...) {
            failure_ = std::current_exception();
            if (failure_ == nullptr) {  // goexit(): a forced unwind has no object, and must pass
              failure_ = std::make_exception_ptr(misuse_error("once_func: it called goexit"));
              f_.reset();
              throw;
            }
          }
          f_.reset();
        },
        l);
    if (called && failure_ != nullptr) std::rethrow_exception(failure_);
    return called;
  }

 private:
  once once_;
  // Written by the one call, read when it has returned.
  std::optional<F> f_;
  std::exception_ptr failure_;
};

// once_value: as once_func, of a function that returns something, to which all calls refer.
template <class F>
  requires std::is_invocable_v<F>
class once_value {
 public:
  using value_type = std::invoke_result_t<F>;

  explicit once_value(F f) : f_(std::move(f)) {}

  // (): the value, which lives as long as this does.
  const value_type& operator()() { return **get(); }

  // get: the same. An error means that `l` ended the wait for another's call.
  result<const value_type*> get(const limit& l = {}) {
    const auto called = once_.call(
        [this] {
          try {
            value_.emplace(std::invoke(*f_));
          } catch (...) {
            failure_ = std::current_exception();
            if (failure_ == nullptr) {  // goexit(): a forced unwind has no object, and must pass
              failure_ = std::make_exception_ptr(misuse_error("once_value: it called goexit"));
              f_.reset();
              throw;
            }
          }
          f_.reset();
        },
        l);
    if (!called) return std::unexpected(called.error());
    if (failure_ != nullptr) std::rethrow_exception(failure_);
    return &*value_;
  }

 private:
  once once_;
  // Written by the one call, read when it has returned.
  std::optional<F> f_;
  std::optional<value_type> value_;
  std::exception_ptr failure_;
};

}  // namespace weft
