// room_state, MODE: what an operator changes is applied to a copy of the record, stored as a whole,
// and told to everybody in one line.

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>

#include "proto/casemap.h"
#include "proto/limits.h"
#include "proto/names.h"
#include "server/hub.h"
#include "server/room_state.h"
#include "server/wall_clock.h"

namespace tertulia {

namespace {

constexpr std::int64_t member_limit_max = 1'000'000;

// told_modes: changes that took effect, as one line tells them: "+o-b" and "ana *!*@host".
struct told_modes {
  std::string letters;
  std::vector<std::string> params;
  bool adds = true;
  std::size_t size = 0;  // bytes on the line

  void add(bool change_adds, char letter, std::string_view param) {
    const bool needs_sign = letters.empty() || change_adds != adds;
    if (needs_sign) letters += change_adds ? '+' : '-';
    letters += letter;
    adds = change_adds;
    size += cost_max(param) - (needs_sign ? 0 : 1);
    if (!param.empty()) params.emplace_back(param);
  }
  // cost_max: what a change takes: sign, letter, and the parameter with the space before it.
  [[nodiscard]] static std::size_t cost_max(std::string_view param) noexcept {
    return 2 + (param.empty() ? 0 : param.size() + 1);
  }
};

// applied: the same on as many lines as it takes for none to be cut.
class applied {
 public:
  explicit applied(std::size_t size_max) : size_max_(size_max) {}

  void add(bool adds, char letter, std::string_view param = {}) {
    if (lines_.empty() || lines_.back().size + told_modes::cost_max(param) > size_max_)
      lines_.emplace_back();
    lines_.back().add(adds, letter, param);
  }
  [[nodiscard]] const std::vector<told_modes>& lines() const noexcept { return lines_; }

 private:
  const std::size_t size_max_;  // room for changes on a line
  std::vector<told_modes> lines_;
};

// room_for_changes: on the line ":source MODE #channel changes".
std::size_t room_for_changes(std::string_view source, std::string_view display) {
  return proto::body_size_max - source.size() - display.size() - 8;
}

// mode_work: one MODE under way.
class mode_work {
 public:
  mode_work(room_state& state, std::string setter, std::string_view source, std::size_t bans_max,
            replies& out)
      : state_(state),
        next_(state.record()),
        setter_(std::move(setter)),
        bans_max_(bans_max),
        out_(out),
        done_(room_for_changes(source, state.display())) {}

  void take(const proto::mode_change& c) {
    switch (c.letter) {
      case 'o':
      case 'v': return rank(c);
      case 'b': return ban(c);
      case 'k': return key(c);
      case 'l': return limit(c);
      default: return flag(c);
    }
  }

  [[nodiscard]] const std::vector<told_modes>& done() const noexcept { return done_.lines(); }
  [[nodiscard]] channel_record& next() noexcept { return next_; }
  // ranks: what to do to members once the record is stored.
  [[nodiscard]] std::vector<std::pair<bool*, bool>>& ranks() noexcept { return ranks_; }

 private:
  void rank(const proto::mode_change& c) {
    member* m = state_.find_nick(c.param);
    if (m == nullptr) {
      out_.numeric(proto::err_usernotinchannel, {word_or_star(c.param), state_.display()});
      return;
    }
    bool* const place = c.letter == 'o' ? &m->is_operator : &m->has_voice;
    if (*place == c.adds) return;
    ranks_.emplace_back(place, c.adds);
    done_.add(c.adds, c.letter, m->nick);
  }

  void ban(const proto::mode_change& c) {
    const std::string mask = proto::normalized_mask(c.param);
    auto& bans = next_.bans;
    const auto at = std::ranges::find_if(
        bans, [&](const ban_record& b) { return proto::same_name(b.mask, mask); });
    if (c.adds == (at != bans.end())) return;
    if (!c.adds) {
      done_.add(false, 'b', at->mask);
      bans.erase(at);
      return;
    }
    if (mask.size() > proto::mask_size_max)
      return out_.text(proto::err_invalidmodeparam, {state_.display(), "b", "*"},
                       "The mask is too long");
    if (mask.find(' ') != mask.npos || mask.starts_with(':'))
      return out_.text(proto::err_invalidmodeparam, {state_.display(), "b", "*"},
                       "The mask is not one word");
    if (bans.size() >= bans_max_)
      return out_.numeric(proto::err_banlistfull, {state_.display(), "b"});
    bans.push_back({mask, setter_, wall_ms()});
    done_.add(true, 'b', mask);
  }

  void key(const proto::mode_change& c) {
    if (c.adds) {
      if (!proto::is_key(c.param)) return out_.numeric(proto::err_invalidkey, {state_.display()});
      if (next_.password == c.param) return;
      next_.password = c.param;
      done_.add(true, 'k', c.param);
    } else if (!next_.password.empty()) {
      next_.password.clear();
      done_.add(false, 'k', "*");
    }
  }

  void limit(const proto::mode_change& c) {
    std::int64_t count = 0;
    if (c.adds) {
      const auto [end, error] =
          std::from_chars(c.param.data(), c.param.data() + c.param.size(), count);
      if (error != std::errc() || end != c.param.data() + c.param.size() || count < 1 ||
          count > member_limit_max)
        return out_.text(proto::err_invalidmodeparam, {state_.display(), "l", "*"},
                         "The limit must be a number from 1 to 1000000");
    }
    if (next_.member_limit == count) return;
    next_.member_limit = count;
    done_.add(c.adds, 'l', c.adds ? std::to_string(count) : "");
  }

  void flag(const proto::mode_change& c) {
    const bool is_set = next_.modes.find(c.letter) != std::string::npos;
    if (is_set == c.adds) return;
    if (c.adds)
      next_.modes += c.letter;
    else
      std::erase(next_.modes, c.letter);
    done_.add(c.adds, c.letter);
  }

  room_state& state_;
  channel_record next_;
  const std::string setter_;
  const std::size_t bans_max_;
  replies& out_;
  applied done_;
  std::vector<std::pair<bool*, bool>> ranks_;
};

}  // namespace

std::vector<std::string> room_state::mode_words(bool shows_key) const {
  std::vector<std::string> out{"+" + record_.modes};
  if (!record_.password.empty()) {
    out[0] += 'k';
    out.push_back(shows_key ? record_.password : "*");
  }
  if (record_.member_limit > 0) {
    out[0] += 'l';
    out.push_back(std::to_string(record_.member_limit));
  }
  return out;
}

void room_state::change_modes(member& by, const proto::mode_request& request, replies& out) {
  const std::string source = by.who->who().mask();
  mode_work work(*this, by.nick, source,
                 static_cast<std::size_t>(hub_.conf.limits.bans_per_channel_max), out);
  for (const auto& c : request.changes) work.take(c);
  if (work.done().empty()) return;
  if (work.next() != record_ && !set(std::move(work.next())))
    return out.fail("MODE", "NOT_STORED", {display()}, "The change could not be stored");
  for (const auto& [place, value] : work.ranks()) *place = value;
  for (const told_modes& told : work.done())
    broadcast(source, [&](proto::line_writer& line) {
      line.command("MODE").param(display()).param(told.letters);
      for (const auto& p : told.params) line.param(p);
    });
}

}  // namespace tertulia
