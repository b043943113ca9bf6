#include "server/config.h"

#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <span>
#include <utility>

#include "proto/chars.h"
#include "proto/utf8.h"
#include "server/listen_address.h"

namespace tertulia {

namespace {

using mistakes = std::vector<config_mistake>;

// take: puts the value of a node into the configuration, or says what is wrong with it.
using take = std::function<std::optional<std::string>(config&, const toml::node&)>;

struct key_rule {
  std::string_view name;
  take apply;
};

// at: the address of a member inside a section of the configuration.
template <class Section, class Value>
auto at(Section config::* section, Value Section::* member) {
  return [=](config& c) -> Value& { return c.*section.*member; };
}

template <class Place>
take whole_number(Place place, int low, int high) {
  return [=](config& c, const toml::node& node) -> std::optional<std::string> {
    const auto value = node.value_exact<std::int64_t>();
    if (!value) return "must be a whole number";
    if (*value < low || *value > high)
      return "must lie between " + std::to_string(low) + " and " + std::to_string(high);
    place(c) = static_cast<int>(*value);
    return std::nullopt;
  };
}

template <class Place>
take yes_or_no(Place place) {
  return [=](config& c, const toml::node& node) -> std::optional<std::string> {
    const auto value = node.value_exact<bool>();
    if (!value) return "must be true or false";
    place(c) = *value;
    return std::nullopt;
  };
}

using text_check = std::optional<std::string> (*)(const std::string&);

template <class Place>
take text(Place place, text_check check) {
  return [=](config& c, const toml::node& node) -> std::optional<std::string> {
    const auto value = node.value_exact<std::string>();
    if (!value) return "must be text in quotes";
    if (auto wrong = check(*value)) return wrong;
    place(c) = *value;
    return std::nullopt;
  };
}

std::optional<std::string> any_text(const std::string&) { return std::nullopt; }

std::optional<std::string> check_name(const std::string& name) {
  const auto fits = [](char c) {
    return proto::is_letter(c) || proto::is_digit(c) || c == '.' || c == '-';
  };
  if (name.empty() || name.size() > 63 || !std::ranges::all_of(name, fits) ||
      name.find('.') == name.npos)
    return "must look like a host name with a dot in it, at most 63 characters";
  return std::nullopt;
}

std::optional<std::string> check_network(const std::string& name) {
  if (name.empty() || name.size() > 30 || std::ranges::any_of(name, proto::is_control))
    return "must be 1 to 30 characters without control characters";
  return std::nullopt;
}

std::optional<std::string> check_path(const std::string& path) {
  if (path.empty()) return "must not be empty";
  return std::nullopt;
}

std::optional<std::string> check_motd(const std::string& motd) {
  if (motd.size() > 16 * 1024) return "must be at most 16 kB";
  const auto bad = [](char c) { return proto::is_control(c) && c != '\n' && c != '\t'; };
  if (std::ranges::any_of(motd, bad)) return "must not hold control characters";
  return std::nullopt;
}

template <std::size_t N>
std::optional<std::string> one_of(const std::string& value,
                                  const std::array<std::string_view, N>& allowed) {
  if (std::ranges::find(allowed, value) != allowed.end()) return std::nullopt;
  std::string out = "must be one of";
  for (const auto a : allowed) out.append(" ").append(a);
  return out;
}

std::optional<std::string> check_level(const std::string& level) {
  return one_of<5>(level, {"debug", "info", "warn", "error", "off"});
}

std::optional<std::string> check_format(const std::string& format) {
  return one_of<2>(format, {"logfmt", "json"});
}

std::optional<std::string> take_listen(config& c, const toml::node& node) {
  const toml::array* list = node.as_array();
  if (list == nullptr) return "must be a list of addresses";
  std::vector<std::string> addresses;
  for (const toml::node& item : *list) {
    const auto address = item.value_exact<std::string>();
    if (!address) return "must hold addresses in quotes";
    if (!parse_listen_address(*address))
      return "has \"" + *address + "\", which is not host:port ([host]:port for IPv6)";
    addresses.push_back(*address);
  }
  if (addresses.empty()) return "must hold at least one address";
  c.server.listen = std::move(addresses);
  return std::nullopt;
}

std::span<const key_rule> server_rules() {
  constexpr auto s = &config::server;
  static const std::array rules{
      key_rule{"name", text(at(s, &server_config::name), check_name)},
      key_rule{"network", text(at(s, &server_config::network), check_network)},
      key_rule{"listen", take_listen},
      key_rule{"password", text(at(s, &server_config::password), check_password)},
      key_rule{"password_file", text(at(s, &server_config::password_file), any_text)},
      key_rule{"data", text(at(s, &server_config::data), check_path)},
      key_rule{"motd", text(at(s, &server_config::motd), check_motd)},
  };
  return rules;
}

std::span<const key_rule> limits_rules() {
  constexpr auto s = &config::limits;
  using l = limits_config;
  constexpr int day_s = 86'400, gigabyte = 1 << 30;
  static const std::array rules{
      key_rule{"clients_max", whole_number(at(s, &l::clients_max), 1, 1'000'000)},
      key_rule{"connections_per_address_max",
               whole_number(at(s, &l::connections_per_address_max), 1, 1'000'000)},
      key_rule{"channels_per_client_max",
               whole_number(at(s, &l::channels_per_client_max), 1, 10'000)},
      key_rule{"bans_per_channel_max", whole_number(at(s, &l::bans_per_channel_max), 0, 1000)},
      key_rule{"registration_timeout_s", whole_number(at(s, &l::registration_timeout_s), 1, day_s)},
      key_rule{"ping_interval_s", whole_number(at(s, &l::ping_interval_s), 1, day_s)},
      key_rule{"ping_timeout_s", whole_number(at(s, &l::ping_timeout_s), 1, day_s)},
      key_rule{"send_queue_soft_bytes",
               whole_number(at(s, &l::send_queue_soft_bytes), 1024, gigabyte)},
      key_rule{"send_queue_hard_bytes",
               whole_number(at(s, &l::send_queue_hard_bytes), 1024, gigabyte)},
      key_rule{"flood_burst_lines", whole_number(at(s, &l::flood_burst_lines), 1, 1'000'000)},
      key_rule{"flood_lines_per_s", whole_number(at(s, &l::flood_lines_per_s), 1, 1'000'000)},
      key_rule{"loopback_exempt", yes_or_no(at(s, &l::loopback_exempt))},
      key_rule{"drain_timeout_s", whole_number(at(s, &l::drain_timeout_s), 0, 3600)},
  };
  return rules;
}

std::span<const key_rule> history_rules() {
  constexpr auto s = &config::history;
  using h = history_config;
  static const std::array rules{
      key_rule{"join_lines", whole_number(at(s, &h::join_lines), 0, 1000)},
      key_rule{"request_lines_max", whole_number(at(s, &h::request_lines_max), 100, 5000)},
      key_rule{"size_mb_max", whole_number(at(s, &h::size_mb_max), 0, 1'000'000'000)},
  };
  return rules;
}

std::span<const key_rule> log_rules() {
  constexpr auto s = &config::log;
  static const std::array rules{
      key_rule{"level", text(at(s, &log_config::level), check_level)},
      key_rule{"format", text(at(s, &log_config::format), check_format)},
  };
  return rules;
}

int line_of(const toml::source_region& where) { return static_cast<int>(where.begin.line); }

void read_section(std::string_view section, const toml::table& table,
                  std::span<const key_rule> rules, config& into, mistakes& wrong) {
  for (const auto& [key, node] : table) {
    const std::string full = std::string(section) + "." + std::string(key.str());
    const auto rule = std::ranges::find(rules, key.str(), &key_rule::name);
    if (rule == rules.end()) {
      wrong.push_back({line_of(key.source()), "unknown key " + full});
    } else if (const auto why = rule->apply(into, node)) {
      wrong.push_back({line_of(key.source()), full + " " + *why});
    }
  }
}

struct section_rule {
  std::string_view name;
  std::span<const key_rule> (*rules)();
};

constexpr std::array sections{
    section_rule{"server", server_rules},
    section_rule{"limits", limits_rules},
    section_rule{"history", history_rules},
    section_rule{"log", log_rules},
};

void read_sections(const toml::table& root, config& into, mistakes& wrong) {
  for (const auto& [key, node] : root) {
    const std::string name(key.str());
    const auto section = std::ranges::find(sections, name, &section_rule::name);
    const toml::table* table = node.as_table();
    if (section == sections.end()) {
      wrong.push_back({line_of(key.source()), table != nullptr ? "unknown section [" + name + "]"
                                                               : "unknown key " + name});
    } else if (table == nullptr) {
      wrong.push_back({line_of(key.source()), name + " must be a section: [" + name + "]"});
    } else {
      read_section(name, *table, section->rules(), into, wrong);
    }
  }
}

// last_line: that of the last of these keys of a section.
int last_line(const toml::table& root, std::string_view section,
              std::initializer_list<std::string_view> keys) {
  int last = 0;
  for (const auto key : keys)
    if (const toml::node* node = root[section][key].node())
      last = std::max(last, line_of(node->source()));
  return last;
}

// check_together: values that are good alone and do not go together.
void check_together(const config& c, const toml::table& root, mistakes& wrong) {
  if (c.limits.send_queue_soft_bytes > c.limits.send_queue_hard_bytes)
    wrong.push_back({last_line(root, "limits", {"send_queue_soft_bytes", "send_queue_hard_bytes"}),
                     "limits.send_queue_soft_bytes must not exceed limits.send_queue_hard_bytes"});
  if (!c.server.password.empty() && !c.server.password_file.empty())
    wrong.push_back({last_line(root, "server", {"password", "password_file"}),
                     "server.password and server.password_file exclude each other"});
}

}  // namespace

std::optional<std::string> check_password(const std::string& text) {
  constexpr std::size_t size_max = 400;  // "PASS :..." has to fit into a line
  if (text.size() <= size_max && proto::is_utf8(text) &&
      std::ranges::none_of(text, proto::is_control))
    return std::nullopt;
  return "must be UTF-8 without control characters, at most " + std::to_string(size_max) +
         " bytes: no client could send it";
}

std::expected<config, std::vector<config_mistake>> parse_config(std::string_view text) {
  config out;
  mistakes wrong;
  try {
    const toml::table root = toml::parse(text);
    read_sections(root, out, wrong);
    if (wrong.empty()) check_together(out, root, wrong);
  } catch (const toml::parse_error& e) {
    wrong.push_back({line_of(e.source()), std::string(e.description())});
  }
  std::ranges::stable_sort(wrong, {}, &config_mistake::line);
  if (!wrong.empty()) return std::unexpected(std::move(wrong));
  return out;
}

std::expected<config, std::vector<config_mistake>> load_config(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::unexpected(mistakes{{0, "cannot be opened"}});
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (file.bad()) return std::unexpected(mistakes{{0, "cannot be read"}});
  return parse_config(text);
}

}  // namespace tertulia
