#include <weft/rate_limiter.h>
#include <weft/time.h>

#include <algorithm>
#include <cmath>
#include <mutex>

#include "sched/environment.h"

namespace weft {
namespace {

constexpr double ns_per_second = 1e9;

// ns_for: how long `tokens` take to come.
std::int64_t ns_for(double tokens, double per_second) noexcept {
  if (tokens <= 0) return 0;
  const double ns = std::ceil(tokens / per_second * ns_per_second);
  // What is too long to count, or never comes, is beyond all deadlines.
  return ns < static_cast<double>(limit::never) / 2 ? static_cast<std::int64_t>(ns) : limit::never;
}

std::int64_t later(std::int64_t at_ns, std::int64_t by_ns) noexcept {
  return by_ns > limit::never - at_ns ? limit::never : at_ns + by_ns;
}

}  // namespace

rate_limiter::rate_limiter(double per_second, std::ptrdiff_t burst)
    : per_second_(per_second),
      burst_(burst),
      tokens_(static_cast<double>(burst)),
      filled_ns_(sched::now_ns()) {
  if (!(per_second >= 0)) throw misuse_error("rate: negative rate");
  check(burst);
}

void rate_limiter::check(std::ptrdiff_t n) {
  if (n < 0) throw misuse_error("rate: negative number of tokens");
}

void rate_limiter::fill(std::int64_t now_ns) noexcept {
  if (now_ns <= filled_ns_) return;
  const auto elapsed = static_cast<double>(now_ns - filled_ns_);
  filled_ns_ = now_ns;
  if (per_second_ < unlimited) tokens_ += elapsed / ns_per_second * per_second_;
  if (per_second_ == unlimited || tokens_ > static_cast<double>(burst_)) {
    tokens_ = static_cast<double>(burst_);
  }
}

rate_limiter::reservation rate_limiter::take(std::ptrdiff_t n, std::int64_t now_ns,
                                             std::int64_t latest_ns) noexcept {
  const std::lock_guard hold(lock_);
  reservation r;
  r.of_ = this;
  r.per_second_ = per_second_;
  r.at_ns_ = now_ns;
  if (per_second_ == unlimited) {
    r.ok_ = true;
    return r;
  }
  fill(now_ns);
  const double left = tokens_ - static_cast<double>(n);
  r.at_ns_ = later(now_ns, ns_for(-left, per_second_));
  r.ok_ = n <= burst_ && r.at_ns_ < limit::never && (r.at_ns_ == now_ns || r.at_ns_ <= latest_ns);
  if (!r.ok_) return r;
  r.tokens_ = static_cast<double>(n);
  tokens_ = left;
  last_ns_ = r.at_ns_;
  return r;
}

// give_back: what was reserved after it was reckoned with its tokens gone: those who hold that
// keep their time, so as many tokens as came to them meanwhile stay gone.
void rate_limiter::give_back(const reservation& r) noexcept {
  const std::lock_guard hold(lock_);
  const auto now = sched::now_ns();
  if (!r.ok_ || r.tokens_ == 0 || r.at_ns_ < now || per_second_ == unlimited) return;
  const double relied_on = static_cast<double>(last_ns_ - r.at_ns_) / ns_per_second * r.per_second_;
  const double back = r.tokens_ - relied_on;
  if (back <= 0) return;
  fill(now);
  tokens_ = std::min(tokens_ + back, static_cast<double>(burst_));
  if (r.at_ns_ == last_ns_) last_ns_ = std::max(now, r.at_ns_ - ns_for(r.tokens_, r.per_second_));
}

bool rate_limiter::allow(std::ptrdiff_t n) {
  check(n);
  const auto now = sched::now_ns();
  return take(n, now, now).ok();
}

rate_limiter::reservation rate_limiter::reserve(std::ptrdiff_t n) {
  check(n);
  return take(n, sched::now_ns(), limit::never);
}

result<void> rate_limiter::wait(std::ptrdiff_t n, const limit& l) {
  check(n);
  constexpr const char* operation = "rate wait";
  auto mine = take(n, sched::now_ns(), l.deadline_ns());
  if (!mine.ok()) {
    bool never = false;
    {
      const std::lock_guard hold(lock_);
      never = n > burst_;
    }
    if (never) {
      return std::unexpected(error(std::make_error_code(std::errc::invalid_argument), operation));
    }
    if (l.deadline_ns() < limit::never) return std::unexpected(error(errc::timeout, operation));
    // At this rate they never come. at_ns_ says so: the caller waits until it is cancelled.
  }
  if (auto slept = detail::sleep_until_ns(mine.at_ns_, l); !slept) {
    if (mine.ok()) mine.cancel();
    return std::unexpected(error(slept.error().code(), operation));
  }
  return {};
}

void rate_limiter::set_rate(double per_second) {
  if (!(per_second >= 0)) throw misuse_error("rate: negative rate");
  const std::lock_guard hold(lock_);
  fill(sched::now_ns());
  per_second_ = per_second;
}

void rate_limiter::set_burst(std::ptrdiff_t burst) {
  check(burst);
  const std::lock_guard hold(lock_);
  fill(sched::now_ns());
  burst_ = burst;
}

double rate_limiter::tokens() noexcept {
  const std::lock_guard hold(lock_);
  fill(sched::now_ns());
  return tokens_;
}

std::chrono::nanoseconds rate_limiter::reservation::delay() const noexcept {
  return std::chrono::nanoseconds(std::max<std::int64_t>(0, at_ns_ - sched::now_ns()));
}

void rate_limiter::reservation::cancel() noexcept { of_->give_back(*this); }

}  // namespace weft
