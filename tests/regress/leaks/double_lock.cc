// Double lock: whoever has the lock asks for it again.

#include <weft/mutex.h>
#include <weft/wait_group.h>

#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "program.h"

namespace weft::leaks {
namespace {

// A public method calls another.
WRONG(double_lock, method_calls_method, always) {
  struct account {
    mutex lock;
    int cents = 0;
    int balance() {
      const std::lock_guard hold(lock);
      return cents;
    }
    bool withdraw(int amount) {
      const std::lock_guard hold(lock);
      if (balance() < amount) return false;
      cents -= amount;
      return true;
    }
  } a;
  expect(!a.withdraw(5), "nothing is there");
}

RIGHT(double_lock, method_calls_method) {
  struct account {
    mutex lock;
    int cents = 0;
    int balance() {
      const std::lock_guard hold(lock);
      return cents;
    }
    bool withdraw(int amount) {
      const std::lock_guard hold(lock);
      if (cents < amount) return false;
      cents -= amount;
      return true;
    }
  } a;
  expect(!a.withdraw(5), "nothing is there");
}

// An error leaves the function before it unlocks.
WRONG(double_lock, unlock_left_out_on_error, always) {
  mutex lock;
  std::map<std::string, int> registered;
  const auto add = [&](const std::string& name, int port) {
    lock.lock();
    if (registered.contains(name)) return false;
    registered[name] = port;
    lock.unlock();
    return true;
  };
  expect(add("dns", 53), "dns is new");
  expect(!add("dns", 54), "dns is known");
  expect(add("http", 80), "http is new");
}

RIGHT(double_lock, unlock_left_out_on_error) {
  mutex lock;
  std::map<std::string, int> registered;
  const auto add = [&](const std::string& name, int port) {
    const std::lock_guard hold(lock);
    if (registered.contains(name)) return false;
    registered[name] = port;
    return true;
  };
  expect(add("dns", 53), "dns is new");
  expect(!add("dns", 54), "dns is known");
  expect(add("http", 80), "http is new");
}

// A subscriber unsubscribes when it is called.
WRONG(double_lock, callback_under_the_lock, always) {
  mutex lock;
  std::map<int, std::function<void()>> subscribers;
  const auto unsubscribe = [&](int id) {
    const std::lock_guard hold(lock);
    subscribers.erase(id);
  };
  int told = 0;
  subscribers[1] = [&] { ++told; };
  subscribers[2] = [&] {
    ++told;
    unsubscribe(2);
  };
  {
    const std::lock_guard hold(lock);
    for (const auto& [id, call] : subscribers) call();
  }
  expect(told == 2, "both were told");
}

RIGHT(double_lock, callback_under_the_lock) {
  mutex lock;
  std::map<int, std::function<void()>> subscribers;
  const auto unsubscribe = [&](int id) {
    const std::lock_guard hold(lock);
    subscribers.erase(id);
  };
  int told = 0;
  subscribers[1] = [&] { ++told; };
  subscribers[2] = [&] {
    ++told;
    unsubscribe(2);
  };
  std::unique_lock hold(lock);
  const auto now = subscribers;
  hold.unlock();
  for (const auto& [id, call] : now) call();
  expect(told == 2, "both were told");
}

// One way through the loop's body does not unlock.
WRONG(double_lock, continue_keeps_it, always) {
  mutex lock;
  int stored = 0;
  wait_group writer;
  writer.go([&] {
    for (const int reading : {3, -1, 4}) {
      lock.lock();
      if (reading < 0) continue;
      stored += reading;
      lock.unlock();
    }
  });
  writer.wait();
  expect(stored == 7, "the sum of what is valid");
}

RIGHT(double_lock, continue_keeps_it) {
  mutex lock;
  int stored = 0;
  wait_group writer;
  writer.go([&] {
    for (const int reading : {3, -1, 4}) {
      if (reading < 0) continue;
      lock.lock();
      stored += reading;
      lock.unlock();
    }
  });
  writer.wait();
  expect(stored == 7, "the sum of what is valid");
}

// Who finds the entry stale, because another one has marked it, loads it, which locks.
WRONG(double_lock, reload_of_the_stale, sometimes) {
  struct cache {
    mutex lock;
    bool stale = false;
    int page = 1;
    void reload() {
      const std::lock_guard hold(lock);
      ++page;
      stale = false;
    }
    int get() {
      const std::lock_guard hold(lock);
      if (stale) reload();
      return page;
    }
    void invalidate() {
      const std::lock_guard hold(lock);
      stale = true;
    }
  } pages;
  wait_group both;
  both.go([&] { pages.get(); });
  both.go([&] { pages.invalidate(); });
  both.wait();
}

RIGHT(double_lock, reload_of_the_stale) {
  struct cache {
    mutex lock;
    bool stale = false;
    int page = 1;
    void reload_locked() {
      ++page;
      stale = false;
    }
    int get() {
      const std::lock_guard hold(lock);
      if (stale) reload_locked();
      return page;
    }
    void invalidate() {
      const std::lock_guard hold(lock);
      stale = true;
    }
  } pages;
  wait_group both;
  both.go([&] { pages.get(); });
  both.go([&] { pages.invalidate(); });
  both.wait();
}

// The last one out of a session that is shutting down closes it.
WRONG(double_lock, last_one_closes, sometimes) {
  struct session {
    mutex lock;
    int users = 2;
    bool closing = false;
    bool closed = false;
    void finish() {
      const std::lock_guard hold(lock);
      closed = true;
    }
    void leave() {
      const std::lock_guard hold(lock);
      if (--users == 0 && closing) finish();
    }
    void close() {
      std::unique_lock hold(lock);
      closing = true;
      if (users > 0) return;
      hold.unlock();
      finish();
    }
  } s;
  wait_group users;
  for (int i = 0; i < 2; ++i) users.go([&] { s.leave(); });
  s.close();
  users.wait();
  expect(s.closed, "somebody closed it");
}

RIGHT(double_lock, last_one_closes) {
  struct session {
    mutex lock;
    int users = 2;
    bool closing = false;
    bool closed = false;
    void leave() {
      const std::lock_guard hold(lock);
      if (--users == 0 && closing) closed = true;
    }
    void close() {
      const std::lock_guard hold(lock);
      closing = true;
      if (users == 0) closed = true;
    }
  } s;
  wait_group users;
  for (int i = 0; i < 2; ++i) users.go([&] { s.leave(); });
  s.close();
  users.wait();
  expect(s.closed, "somebody closed it");
}

}  // namespace
}  // namespace weft::leaks
