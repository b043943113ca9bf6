#pragma once

// registry: who and what is there: clients by nick, channels by name. One lock, held for a lookup
// and never while anything else is locked or waits. Handles are dropped outside it: a room's last
// one comes back here (forget).

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <weft/mutex.h>

#include "server/client.h"

namespace tertulia {

struct hub;
class room;

class registry {
 public:
  // new_id: a number above all that were given out before: for connections, and to tell later what
  // came first.
  [[nodiscard]] std::uint64_t new_id();

  // claim: gives `nick` to a client, if nobody else has it; its other nicks stay until released.
  // True also when it had it already.
  [[nodiscard]] bool claim(const std::string& nick, const std::shared_ptr<client>& who);
  // release: takes `nick` back from a client, if it is its.
  void release(const std::string& nick, const client& who);

  // find: the registered client with that nick, or null.
  [[nodiscard]] std::shared_ptr<client> find(std::string_view nick);
  // everybody: all registered clients, in no order.
  [[nodiscard]] std::vector<std::shared_ptr<client>> everybody();
  // enroll: it is counted and found from now on.
  void enroll(client& who);
  // expel: takes back `nick`; an enrolled client is counted no more.
  void expel(const std::string& nick, client& who);
  // hide: makes an enrolled client invisible, or visible again.
  void hide(client& who, bool is_hidden);

  // counts: of connections that said who they are, and of those that are about to.
  struct counts {
    std::size_t registered = 0;
    std::size_t registered_most = 0;  // there ever were
    std::size_t invisible = 0;
    std::size_t unregistered = 0;  // that have claimed a nick
    std::size_t rooms = 0;
  };
  [[nodiscard]] counts count();

  // open_room: the channel `name`, made when it is not there.
  [[nodiscard]] std::shared_ptr<room> open_room(hub& h, std::string_view name);
  // find_room: the channel, if somebody is in it; else null.
  [[nodiscard]] std::shared_ptr<room> find_room(std::string_view name);
  [[nodiscard]] std::vector<std::shared_ptr<room>> rooms();
  // forget: a room with this folded name has ended.
  void forget(const std::string& name);

 private:
  weft::mutex lock_;
  // Guarded by lock_:
  std::unordered_map<std::string, std::shared_ptr<client>> nicks_;  // by folded nick
  std::unordered_map<std::string, std::weak_ptr<room>> rooms_;      // by folded name
  std::uint64_t last_id_ = 0;
  std::size_t enrolled_ = 0;
  std::size_t enrolled_most_ = 0;
  std::size_t hidden_ = 0;  // counted, not looked for: every newcomer is told
};

}  // namespace tertulia
