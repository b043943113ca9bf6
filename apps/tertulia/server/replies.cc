#include "server/replies.h"

#include <utility>

#include "proto/timestamp.h"
#include "server/wall_clock.h"

namespace tertulia {

replies::replies(const std::string& server_name, std::shared_ptr<client> to)
    : server_name_(server_name), to_(std::move(to)), caps_(to_->caps()), nick_(to_->who().nick) {
  if (caps_.has(proto::cap::server_time)) time_ = proto::format_timestamp(wall_ms());
}

proto::line_writer replies::line(std::string_view source) {
  proto::line_writer out(bytes_);
  if (!time_.empty()) out.tag("time", time_);
  out.source(source);
  return out;
}

proto::line_writer replies::begin(const proto::numeric& n,
                                  std::initializer_list<std::string_view> params) {
  auto out = line(server_name_);
  out.command(n.code).param(nick_);
  for (const auto p : params) out.param(p);
  return out;
}

void replies::numeric(const proto::numeric& n, std::initializer_list<std::string_view> params,
                      std::string_view given) {
  auto out = begin(n, params);
  const std::string_view last = given.empty() ? n.text : given;
  if (!last.empty()) out.text(last);
  out.end();
}

void replies::plain(const proto::numeric& n, std::initializer_list<std::string_view> params) {
  begin(n, params).end();
}

void replies::text(const proto::numeric& n, std::initializer_list<std::string_view> params,
                   std::string_view given) {
  begin(n, params).text(given).end();
}

void replies::fail(std::string_view command, std::string_view code,
                   std::initializer_list<std::string_view> context, std::string_view given) {
  auto out = line(server_name_);
  out.command("FAIL").param(command).param(code);
  for (const auto c : context)
    if (!c.empty()) out.param(c);
  out.text(given).end();
}

void replies::error(std::string_view given) {
  proto::line_writer(bytes_).command("ERROR").text(given).end();
}

void replies::send() { to_->send(std::exchange(bytes_, {})); }

}  // namespace tertulia
