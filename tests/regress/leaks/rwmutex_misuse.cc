// RWMutex misuse: what a lock with readers does not allow.

#include <weft/channel.h>
#include <weft/rwmutex.h>
#include <weft/wait_group.h>

#include <map>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>

#include "program.h"

namespace weft::leaks {
namespace {

// A reader calls a function that reads as well; a writer comes in between.
WRONG(rwmutex_misuse, reader_reads_again, sometimes) {
  rwmutex lock;
  std::map<std::string, int> ports{{"http", 80}};
  const auto find = [&](const std::string& name) {
    const std::shared_lock hold(lock);
    return ports.at(name);
  };
  wait_group both;
  both.go([&] {
    const std::shared_lock hold(lock);
    for (const auto& [name, port] : ports) expect(find(name) == port, "the same port");
  });
  both.go([&] {
    const std::unique_lock hold(lock);
    ports["dns"] = 53;
  });
  both.wait();
}

RIGHT(rwmutex_misuse, reader_reads_again) {
  rwmutex lock;
  std::map<std::string, int> ports{{"http", 80}};
  const auto find_locked = [&](const std::string& name) { return ports.at(name); };
  wait_group both;
  both.go([&] {
    const std::shared_lock hold(lock);
    for (const auto& [name, port] : ports) expect(find_locked(name) == port, "the same port");
  });
  both.go([&] {
    const std::unique_lock hold(lock);
    ports["dns"] = 53;
  });
  both.wait();
}

// Who reads and finds nothing wants to write at once.
WRONG(rwmutex_misuse, upgrade, always) {
  rwmutex lock;
  std::map<int, std::string> users;
  const auto name_of = [&](int id) {
    const std::shared_lock read(lock);
    if (const auto found = users.find(id); found != users.end()) return found->second;
    const std::unique_lock write(lock);
    return users[id] = "user" + std::to_string(id);
  };
  expect(name_of(7) == "user7", "it is made");
  expect(name_of(7) == "user7", "it is found");
}

RIGHT(rwmutex_misuse, upgrade) {
  rwmutex lock;
  std::map<int, std::string> users;
  const auto name_of = [&](int id) {
    {
      const std::shared_lock read(lock);
      if (const auto found = users.find(id); found != users.end()) return found->second;
    }
    const std::unique_lock write(lock);
    return users.try_emplace(id, "user" + std::to_string(id)).first->second;
  };
  expect(name_of(7) == "user7", "it is made");
  expect(name_of(7) == "user7", "it is found");
}

// The writer checks its work with the function that readers use.
WRONG(rwmutex_misuse, writer_reads, always) {
  struct table {
    rwmutex lock;
    int rows = 0;
    int size() {
      const std::shared_lock hold(lock);
      return rows;
    }
    void insert() {
      const std::unique_lock hold(lock);
      const int before = size();
      ++rows;
      expect(rows == before + 1, "one more");
    }
  } t;
  t.insert();
}

RIGHT(rwmutex_misuse, writer_reads) {
  struct table {
    rwmutex lock;
    int rows = 0;
    void insert() {
      const std::unique_lock hold(lock);
      const int before = rows;
      ++rows;
      expect(rows == before + 1, "one more");
    }
  } t;
  t.insert();
}

// Who finds nothing forgets that it reads.
WRONG(rwmutex_misuse, read_lock_left_behind, always) {
  rwmutex lock;
  std::map<std::string, std::string> settings{{"lang", "en"}};
  const auto get = [&](const std::string& key) -> std::optional<std::string> {
    lock.lock_shared();
    const auto found = settings.find(key);
    if (found == settings.end()) return std::nullopt;
    auto value = found->second;
    lock.unlock_shared();
    return value;
  };
  expect(get("lang") == "en", "it is set");
  expect(!get("zone"), "it is not set");
  const std::unique_lock hold(lock);
  settings["zone"] = "UTC";
}

RIGHT(rwmutex_misuse, read_lock_left_behind) {
  rwmutex lock;
  std::map<std::string, std::string> settings{{"lang", "en"}};
  const auto get = [&](const std::string& key) -> std::optional<std::string> {
    const std::shared_lock hold(lock);
    const auto found = settings.find(key);
    if (found == settings.end()) return std::nullopt;
    return found->second;
  };
  expect(get("lang") == "en", "it is set");
  expect(!get("zone"), "it is not set");
  const std::unique_lock hold(lock);
  settings["zone"] = "UTC";
}

// Hits are counted under the read lock, and reported before the number is written.
WRONG(rwmutex_misuse, write_under_the_read_lock, sometimes) {
  rwmutex lock;
  int hits = 0;
  const channel<int> log(4);
  const auto hit = [&] {
    const std::shared_lock hold(lock);
    const int now = hits + 1;
    log.send(now);
    hits = now;
  };
  wait_group both;
  both.go(hit);
  both.go(hit);
  both.wait();
  expect(hits == 2, "both are counted");
}

RIGHT(rwmutex_misuse, write_under_the_read_lock) {
  rwmutex lock;
  int hits = 0;
  const channel<int> log(4);
  const auto hit = [&] {
    const std::unique_lock hold(lock);
    const int now = hits + 1;
    log.send(now);
    hits = now;
  };
  wait_group both;
  both.go(hit);
  both.go(hit);
  both.wait();
  expect(hits == 2, "both are counted");
}

// Between looking and inserting somebody else has inserted.
WRONG(rwmutex_misuse, not_looked_again, sometimes) {
  rwmutex lock;
  std::map<int, int> connections;
  int opened = 0;
  const auto connect = [&](int host) {
    {
      const std::shared_lock read(lock);
      if (connections.contains(host)) return;
    }
    const std::unique_lock write(lock);
    connections[host] = ++opened;
  };
  wait_group both;
  both.go([&] { connect(1); });
  both.go([&] { connect(1); });
  both.wait();
  expect(opened == 1, "one connection for a host");
}

RIGHT(rwmutex_misuse, not_looked_again) {
  rwmutex lock;
  std::map<int, int> connections;
  int opened = 0;
  const auto connect = [&](int host) {
    {
      const std::shared_lock read(lock);
      if (connections.contains(host)) return;
    }
    const std::unique_lock write(lock);
    if (!connections.contains(host)) connections[host] = ++opened;
  };
  wait_group both;
  both.go([&] { connect(1); });
  both.go([&] { connect(1); });
  both.wait();
  expect(opened == 1, "one connection for a host");
}

}  // namespace
}  // namespace weft::leaks
