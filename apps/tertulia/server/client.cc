#include "server/client.h"

#include <mutex>
#include <utility>

namespace tertulia {

client::client(std::uint64_t id, std::shared_ptr<weft::net::conn> conn, std::string host,
               outbox::options out)
    : id_(id), conn_(std::move(conn)), out_(std::make_shared<outbox>(conn_, out)) {
  profile_.host = std::move(host);
}

profile client::who() {
  const std::lock_guard hold(lock_);
  return profile_;
}

proto::cap_set client::caps() {
  const std::lock_guard hold(lock_);
  return caps_;
}

void client::set_caps(proto::cap_set caps) {
  const std::lock_guard hold(lock_);
  caps_ = caps;
}

void client::send(std::string_view lines) {
  if (lines.empty()) return;
  if (out_->send(lines) == outbox::outcome::overflow) cut_off("SendQ exceeded");
}

void client::cut_off(std::string_view reason) {
  {
    const std::lock_guard hold(lock_);
    if (why_.empty()) why_ = reason;
  }
  conn_->close();
}

std::string client::why() {
  const std::lock_guard hold(lock_);
  return why_;
}

void client::entered(const std::string& name, std::shared_ptr<room> where) {
  const std::lock_guard hold(lock_);
  rooms_.insert_or_assign(name, std::move(where));
}

std::shared_ptr<room> client::left(const std::string& name) {
  const std::lock_guard hold(lock_);
  auto node = rooms_.extract(name);
  return node.empty() ? nullptr : std::move(node.mapped());
}

std::vector<std::shared_ptr<room>> client::rooms() {
  const std::lock_guard hold(lock_);
  std::vector<std::shared_ptr<room>> out;
  for (const auto& [name, r] : rooms_) out.push_back(r);
  return out;
}

std::size_t client::room_count() {
  const std::lock_guard hold(lock_);
  return rooms_.size();
}

}  // namespace tertulia
