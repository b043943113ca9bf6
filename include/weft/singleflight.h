#pragma once

// singleflight: of those who want the same thing at the same time one does the work, the others
// wait for what comes of it.
//
//   weft::singleflight<std::string, page> loads;
//   auto [page, shared] = loads.call(url, [&] { return load(url); }, ctx);
//
// Nothing is kept: who comes after it has ended begins anew. Usable from plain threads.

#include <weft/error.h>
#include <weft/latch.h>
#include <weft/limit.h>
#include <weft/mutex.h>

#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <unordered_map>
#include <utility>

namespace weft {

template <class Key, class T, class Hash = std::hash<Key>, class Equal = std::equal_to<Key>>
class singleflight {
 public:
  // answer: what the call came to, and whether more than one caller got it.
  struct answer {
    result<T> value;
    bool shared;
  };

  singleflight() = default;
  singleflight(const singleflight&) = delete;
  singleflight& operator=(const singleflight&) = delete;
  ~singleflight() = default;

  // call: calls `f`, which returns a T or a result<T>, unless a call with this key is under way:
  // then waits for that one, and copies its value. An exception of f is rethrown to all of them;
  // if f calls goexit(), the others throw misuse_error.
  // `l` ends the waiting of those who wait (shared, with an error of "singleflight"), not f.
  template <class F>
  answer call(const Key& key, F&& f, const limit& l = {}) {
    std::unique_lock hold(lock_);
    if (const auto found = flights_.find(key); found != flights_.end()) {
      const std::shared_ptr<flight> other = found->second;
      other->shared = true;
      hold.unlock();
      if (auto landed = other->landed.wait(l); !landed) {
        return {std::unexpected(error(landed.error().code(), "singleflight")), true};
      }
      if (other->failure != nullptr) std::rethrow_exception(other->failure);
      return {*other->value, true};
    }
    const auto mine = std::make_shared<flight>();
    flights_.emplace(key, mine);
    hold.unlock();
    {
      const landing at_exit{*this, key, *mine};
      mine->fly(std::forward<F>(f));
    }
    if (mine->failure != nullptr) std::rethrow_exception(mine->failure);
    return {*mine->value, mine->shared};
  }

  // forget: who calls with this key from now on does not wait for a call that is under way.
  void forget(const Key& key) {
    const std::lock_guard hold(lock_);
    flights_.erase(key);
  }

 private:
  struct flight {
    template <class F>
    void fly(F&& f) {
      try {
        if constexpr (std::is_same_v<std::invoke_result_t<F>, result<T>>) {
          value.emplace(std::invoke(std::forward<F>(f)));
        } else if constexpr (std::is_void_v<T>) {
          std::invoke(std::forward<F>(f));
          value.emplace();
        } else {
          value.emplace(std::in_place, std::invoke(std::forward<F>(f)));
        }
      } catch (...) {
        failure = std::current_exception();
        if (failure == nullptr) {  // goexit(): a forced unwind has no object, and must pass
          failure = std::make_exception_ptr(misuse_error("singleflight: the call ended by goexit"));
          throw;
        }
      }
    }

    latch landed{1};
    bool shared = false;  // guarded by lock_ until it has landed
    // Written before it has landed, read afterwards.
    std::optional<result<T>> value;
    std::exception_ptr failure;
  };

  // landing: nobody finds the flight any more, and those who wait go on.
  struct landing {
    singleflight& self;
    const Key& key;
    flight& mine;
    ~landing() {
      {
        const std::lock_guard hold(self.lock_);
        const auto found = self.flights_.find(key);
        if (found != self.flights_.end() && found->second.get() == &mine)
          self.flights_.erase(found);
      }
      mine.landed.count_down();
    }
  };

  mutex lock_;
  std::unordered_map<Key, std::shared_ptr<flight>, Hash, Equal> flights_;  // guarded by lock_
};

}  // namespace weft
