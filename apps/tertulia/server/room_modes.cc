// room_state, MODE: what an operator changes is applied to a copy of the record, stored as a whole,
// and told to everybody in one line.

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>

#include "proto/casemap.h"
#include "proto/names.h"
#include "server/hub.h"
#include "server/room_state.h"
#include "server/wall_clock.h"

namespace tertulia {

namespace {

constexpr std::int64_t member_limit_max = 1'000'000;

// applied: changes that took effect, as they are told: "+o-b" and "ana *!*@host".
class applied {
 public:
  void add(bool adds, char letter, std::string_view param = {}) {
    if (letters_.empty() || adds != adds_) letters_ += adds ? '+' : '-';
    adds_ = adds;
    letters_ += letter;
    if (!param.empty()) params_.emplace_back(param);
  }
  [[nodiscard]] bool empty() const noexcept { return letters_.empty(); }
  void write(proto::line_writer& line) const {
    line.param(letters_);
    for (const auto& p : params_) line.param(p);
  }

 private:
  std::string letters_;
  bool adds_ = true;
  std::vector<std::string> params_;
};

// mode_work: one MODE under way.
class mode_work {
 public:
  mode_work(room_state& state, std::string setter, std::size_t bans_max, replies& out)
      : state_(state),
        next_(state.record()),
        setter_(std::move(setter)),
        bans_max_(bans_max),
        out_(out) {}

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

  [[nodiscard]] const applied& done() const noexcept { return done_; }
  [[nodiscard]] channel_record& next() noexcept { return next_; }
  // ranks: what to do to members once the record is stored.
  [[nodiscard]] std::vector<std::pair<bool*, bool>>& ranks() noexcept { return ranks_; }

 private:
  void rank(const proto::mode_change& c) {
    member* m = state_.find_nick(c.param);
    if (m == nullptr) {
      out_.numeric(proto::err_usernotinchannel, {c.param, state_.display()});
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
    if (mask.size() > proto::mask_size_max || mask.find(' ') != mask.npos)
      return out_.text(proto::err_invalidmodeparam, {state_.display(), "b", "*"},
                       "The mask is too long");
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
  mode_work work(*this, by.nick, static_cast<std::size_t>(hub_.conf.limits.bans_per_channel_max),
                 out);
  for (const auto& c : request.changes) work.take(c);
  if (work.done().empty()) return;
  if (work.next() != record_ && !set(std::move(work.next())))
    return out.fail("MODE", "NOT_STORED", {display()}, "The change could not be stored");
  for (const auto& [place, value] : work.ranks()) *place = value;
  broadcast(source, [&](proto::line_writer& line) {
    line.command("MODE").param(display());
    work.done().write(line);
  });
}

}  // namespace tertulia
