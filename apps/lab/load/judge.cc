#include "load/load.h"

namespace lab {

std::string_view limit_name(limit_reason r) {
  switch (r) {
    case limit_reason::server: return "server";
    case limit_reason::generator: return "generator";
    case limit_reason::none: break;
  }
  return "none";
}

void judge(load_report& report, std::chrono::nanoseconds tolerable) {
  constexpr double enough = 0.99;
  constexpr double busy = 0.95;
  report.limit = limit_reason::none;
  if (report.messages_due == 0 || report.connected == 0) return;
  const double sent =
      static_cast<double>(report.messages_sent) / static_cast<double>(report.messages_due);
  const double used = report.cpu_seconds / (report.seconds * static_cast<double>(report.cpus));
  const bool late = report.late.percentile(99) > tolerable.count();
  if (sent < enough) {
    const double lost = (1 - sent) * report.seconds * static_cast<double>(report.connected);
    const bool in_write = report.blocked_seconds >= lost / 2;
    report.limit = in_write && used < busy ? limit_reason::server : limit_reason::generator;
  } else if (late || (report.seconds > 0 && used >= busy)) {
    report.limit = limit_reason::generator;
  }
}

}  // namespace lab
