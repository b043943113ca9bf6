#include "server/registry.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "proto/casemap.h"
#include "server/room.h"

namespace tertulia {

std::uint64_t registry::new_id() {
  const std::lock_guard hold(lock_);
  return ++last_id_;
}

bool registry::claim(const std::string& nick, const std::shared_ptr<client>& who) {
  const std::lock_guard hold(lock_);
  return nicks_.try_emplace(proto::fold(nick), who).first->second == who;
}

void registry::release(const std::string& nick, const client& who) {
  std::shared_ptr<client> dropped;  // outlives the lock
  const std::lock_guard hold(lock_);
  const auto at = nicks_.find(proto::fold(nick));
  if (at == nicks_.end() || at->second.get() != &who) return;
  dropped = std::move(at->second);
  nicks_.erase(at);
}

std::shared_ptr<client> registry::find(std::string_view nick) {
  std::shared_ptr<client> found;
  {
    const std::lock_guard hold(lock_);
    if (const auto at = nicks_.find(proto::fold(nick)); at != nicks_.end()) found = at->second;
  }
  return found != nullptr && found->who().registered ? found : nullptr;
}

std::vector<std::shared_ptr<client>> registry::everybody() {
  std::vector<std::shared_ptr<client>> out;
  {
    const std::lock_guard hold(lock_);
    for (const auto& [nick, who] : nicks_) out.push_back(who);
  }
  // In the middle of a rename a client holds two nicks.
  std::ranges::sort(out, {}, &std::shared_ptr<client>::get);
  out.erase(std::ranges::unique(out).begin(), out.end());
  std::erase_if(out, [](const auto& c) { return !c->who().registered; });
  return out;
}

void registry::enroll(client& who) {
  who.change([](profile& p) { p.registered = true; });
  const std::lock_guard hold(lock_);
  enrolled_most_ = std::max(enrolled_most_, ++enrolled_);
}

void registry::expel(const std::string& nick, client& who) {
  release(nick, who);
  const profile p = who.who();
  if (!p.registered) return;
  const std::lock_guard hold(lock_);
  --enrolled_;
  if (p.invisible) --hidden_;
}

void registry::hide(client& who, bool is_hidden) {
  bool was_hidden = false;
  who.change([&](profile& p) { was_hidden = std::exchange(p.invisible, is_hidden); });
  if (was_hidden == is_hidden) return;
  const std::lock_guard hold(lock_);
  if (is_hidden)
    ++hidden_;
  else
    --hidden_;
}

registry::counts registry::count() {
  counts out;
  const std::lock_guard hold(lock_);
  out.invisible = hidden_;
  out.registered = enrolled_;
  out.registered_most = enrolled_most_;
  out.unregistered = nicks_.size() > enrolled_ ? nicks_.size() - enrolled_ : 0;
  out.rooms = rooms_.size();
  return out;
}

std::shared_ptr<room> registry::open_room(hub& h, std::string_view name) {
  const std::string folded = proto::fold(name);
  const std::lock_guard hold(lock_);
  std::weak_ptr<room>& place = rooms_[folded];
  if (auto there = place.lock()) return there;
  auto made = room::open(h, folded, std::string(name));
  place = made;
  return made;
}

std::shared_ptr<room> registry::find_room(std::string_view name) {
  const std::lock_guard hold(lock_);
  const auto at = rooms_.find(proto::fold(name));
  return at == rooms_.end() ? nullptr : at->second.lock();
}

std::vector<std::shared_ptr<room>> registry::rooms() {
  std::vector<std::shared_ptr<room>> out;
  const std::lock_guard hold(lock_);
  for (const auto& [name, r] : rooms_)
    if (auto there = r.lock()) out.push_back(std::move(there));
  return out;
}

void registry::forget(const std::string& name) {
  const std::lock_guard hold(lock_);
  const auto at = rooms_.find(name);
  // A new room may stand in its place already.
  if (at != rooms_.end() && at->second.expired()) rooms_.erase(at);
}

}  // namespace tertulia
