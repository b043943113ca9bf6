#include "server/room.h"

#include <mutex>
#include <vector>

#include <weft/go.h>

#include "server/hub.h"

namespace tertulia {

namespace {

constexpr std::size_t inbox_max = 128;
constexpr std::size_t run_max = 64;

}  // namespace

// owner: the goroutine's own.
class room::owner {
 public:
  owner(hub& h, std::string name, std::string display, std::shared_ptr<shared> s)
      : shared_(std::move(s)), state_(h, std::move(name), std::move(display)) {}

  void run() {
    while (auto e = shared_->inbox.recv()) {
      take(std::move(*e));
      while (run_.size() < run_max) {
        auto next = shared_->inbox.try_recv();
        if (!next) break;
        take(std::move(*next));
      }
      flush();
    }
  }

 private:
  void take(event e) {
    if (e.line != nullptr) {
      run_.push_back({std::move(e.who), std::move(*e.line), {}, false});
      alive_ = std::move(e.where);
      return;
    }
    flush();
    e.question(e.argument, state_);
    publish();
    e.who->answered.send(true);
  }

  void flush() {
    if (run_.empty()) return;
    state_.deliver(run_);
    // The room may end here. That needs the hub, which is there as long as somebody waits for us.
    alive_.reset();
    for (const said_line& l : run_) l.from->in_flight.done();
    run_.clear();
  }

  void publish() {
    room_summary now{state_.display(), state_.record().topic, state_.members().size(),
                     state_.has_flag('s')};
    const std::lock_guard hold(shared_->lock);
    shared_->summary = std::move(now);
  }

  const std::shared_ptr<shared> shared_;
  room_state state_;
  std::vector<said_line> run_;
  std::shared_ptr<room> alive_;  // while run_ is not empty
};

std::shared_ptr<room> room::open(hub& h, std::string name, std::string display) {
  auto s = std::make_shared<shared>(weft::channel<event>(inbox_max));
  std::shared_ptr<room> out(new room(h, name, s));
  weft::go({.name = "channel owner"}, [&h, name = std::move(name), display = std::move(display),
                                       s] { owner(h, name, display, s).run(); });
  return out;
}

room::room(hub& h, std::string name, std::shared_ptr<shared> s)
    : hub_(h), name_(std::move(name)), shared_(std::move(s)) {}

room::~room() {
  shared_->inbox.close();
  hub_.people.forget(name_);
}

void room::put(event e) { shared_->inbox.send(std::move(e)); }

void room::say(client_ptr from, spoken line) {
  put({std::move(from), std::make_unique<spoken>(std::move(line)), shared_from_this(), nullptr,
       nullptr});
}

room_summary room::summary() {
  const std::lock_guard hold(shared_->lock);
  return shared_->summary;
}

}  // namespace tertulia
