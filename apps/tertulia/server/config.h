#pragma once

// config: what an operator may choose. Read from TOML; every mistake is named with its line, and a
// key nobody knows is a mistake. tertuliad.toml explains each key and holds the defaults; a test
// compares the two.

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tertulia {

struct server_config {
  std::string name = "tertulia.localhost";
  std::string network = "tertulia";
  std::vector<std::string> listen = {"127.0.0.1:6667", "[::1]:6667"};
  std::string password;
  std::string password_file;
  std::string data = "./var/tertulia";
  std::string motd = "Welcome. What is said here is kept: channels remember.";

  friend bool operator==(const server_config&, const server_config&) = default;
};

struct limits_config {
  int clients_max = 10'000;
  int connections_per_address_max = 16;
  int channels_per_client_max = 50;
  int bans_per_channel_max = 100;
  int registration_timeout_s = 30;
  int ping_interval_s = 120;
  int ping_timeout_s = 60;
  int send_queue_soft_bytes = 64 * 1024;
  int send_queue_hard_bytes = 1024 * 1024;
  int flood_burst_lines = 20;
  int flood_lines_per_s = 5;
  bool loopback_exempt = true;
  int drain_timeout_s = 5;

  friend bool operator==(const limits_config&, const limits_config&) = default;
};

struct history_config {
  int join_lines = 30;
  int request_lines_max = 500;
  int size_mb_max = 0;  // 0: as much as the disk holds

  friend bool operator==(const history_config&, const history_config&) = default;
};

struct log_config {
  std::string level = "info";
  std::string format = "logfmt";

  friend bool operator==(const log_config&, const log_config&) = default;
};

struct config {
  server_config server;
  limits_config limits;
  history_config history;
  log_config log;

  friend bool operator==(const config&, const config&) = default;
};

struct config_mistake {
  int line = 0;  // 0: none, the file itself cannot be read
  std::string text;
};

// parse_config: the defaults with what `toml` says, or every mistake in it, in the order of lines.
[[nodiscard]] std::expected<config, std::vector<config_mistake>> parse_config(
    std::string_view toml);

// load_config: parse_config of a file. A file that cannot be read is one mistake on line 0.
[[nodiscard]] std::expected<config, std::vector<config_mistake>> load_config(
    const std::string& path);

// check_password: why no client could ever say it, or nothing.
[[nodiscard]] std::optional<std::string> check_password(const std::string& text);

}  // namespace tertulia
