#pragma once

// asking: how commands put questions to channels.

#include <string_view>
#include <utility>

#include "server/room.h"
#include "server/session.h"

namespace tertulia {

// ask_room: runs f(state, out) on the owner and sends what it answers there, so that the answer
// stands at its place between the channel's lines.
template <class F>
void ask_room(session& s, room& r, F&& f) {
  r.ask(s.me(), [&](room_state& state) {
    auto out = s.reply();
    f(state, out);
    out.send();
  });
}

// with_room: asks the channel `name`, when there is one; says ERR_NOSUCHCHANNEL otherwise.
template <class F>
void with_room(session& s, std::string_view name, F&& f) {
  if (const auto r = s.server().people.find_room(name)) return ask_room(s, *r, std::forward<F>(f));
  auto out = s.reply();
  out.numeric(proto::err_nosuchchannel, {word_or_star(name)});
  out.send();
}

}  // namespace tertulia
