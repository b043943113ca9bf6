// weft-lab-posix: the paradigms that need POSIX and nothing else, with the options of weft-lab
// serve: what is built on systems and CPUs where the rest of the lab may not be.

#include <array>
#include <charconv>
#include <cstdio>
#include <string_view>

#include "serve/server.h"

namespace {

using lab::paradigm;

constexpr std::array table = {
    paradigm{"process", {}, lab::serve_process}, paradigm{"cluster", {}, lab::serve_cluster},
    paradigm{"prefork", {}, lab::serve_prefork}, paradigm{"thread", {}, lab::serve_thread},
    paradigm{"pool", {}, lab::serve_pool},       paradigm{"poll", {}, lab::serve_poll},
};

bool take_number(std::string_view text, std::uint16_t& into) {
  return std::from_chars(text.data(), text.data() + text.size(), into).ec == std::errc();
}

// take: an option and its value.
bool take(std::string_view option, std::string_view value, lab::serve_options& o) {
  if (option == "--host") {
    o.host = value;
    return true;
  }
  if (option == "--port") return take_number(value, o.port);
  if (option == "--variant") {
    const auto how = lab::parse_variant(value);
    if (how) o.how = *how;
    return how.has_value();
  }
  if (option == "--network") {
    const auto network = lab::parse_family(value);
    if (network) o.network = *network;
    return network.has_value();
  }
  return false;
}

int usage() {
  std::fputs(
      "usage: weft-lab-posix list\n"
      "       weft-lab-posix serve PARADIGM [--host ADDRESS] [--port PORT] [--variant fair]\n"
      "                      [--network tcp] [--echo]\n",
      stderr);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view command = argc > 1 ? argv[1] : "";
  if (command == "list") {
    for (const auto& p : table) std::puts(p.name.data());
    return 0;
  }
  if (command != "serve" || argc < 3) return usage();
  lab::serve_options options;
  for (int i = 3; i < argc; ++i) {
    const std::string_view option = argv[i];
    if (option == "--echo") {
      options.echo = true;
    } else if (i + 1 == argc || !take(option, argv[i + 1], options)) {
      return usage();
    } else {
      ++i;
    }
  }
  for (const auto& p : table) {
    if (p.name == argv[2]) p.serve(options);
  }
  return usage();
}
