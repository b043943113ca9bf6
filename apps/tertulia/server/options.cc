#include "server/options.h"

#include <CLI/CLI.hpp>

#include <fstream>
#include <iostream>
#include <optional>
#include <utility>

#include "server/listen_address.h"

namespace tertulia {

namespace {

struct given {
  std::string config_file;
  std::vector<std::string> listen;
  std::string data;
  std::string password_file;
  bool only_check = false;
};

void declare(CLI::App& app, given& g) {
  app.add_option("-c,--config", g.config_file, "TOML file; without one the defaults hold")
      ->type_name("FILE");
  app.add_option("-l,--listen", g.listen,
                 "host:port to listen on, again for more; port 0: any free one")
      ->type_name("ADDRESS");
  app.add_option("-d,--data,--data-dir", g.data, "folder the history is kept in")
      ->type_name("FOLDER");
  app.add_option("-p,--password-file", g.password_file,
                 "file whose first line every client has to say")
      ->type_name("FILE");
  app.add_flag("--check-config", g.only_check, "check configuration and command line, then end");
  app.set_version_flag("--version", std::string("tertuliad " TERTULIA_VERSION));
  app.footer("The command line goes before the file. Ctrl-C or SIGTERM ends the server cleanly.");
}

void print(const std::string& file, const std::vector<config_mistake>& mistakes) {
  for (const auto& m : mistakes) {
    std::cerr << "tertuliad: " << file;
    if (m.line > 0) std::cerr << ":" << m.line;
    std::cerr << ": " << m.text << "\n";
  }
}

// override_config: what the command line says, over what the file says.
bool override_config(const given& g, config& c) {
  for (const auto& address : g.listen) {
    if (parse_listen_address(address)) continue;
    std::cerr << "tertuliad: --listen " << address << ": not host:port ([host]:port for IPv6)\n";
    return false;
  }
  if (!g.listen.empty()) c.server.listen = g.listen;
  if (!g.data.empty()) c.server.data = g.data;
  if (!g.password_file.empty()) {
    c.server.password_file = g.password_file;
    c.server.password.clear();
  }
  return true;
}

bool read_password(config& c) {
  if (c.server.password_file.empty()) return true;
  std::ifstream file(c.server.password_file);
  std::getline(file, c.server.password);
  if (c.server.password.ends_with('\r')) c.server.password.pop_back();
  std::optional<std::string> wrong = "cannot be read, or its first line is empty";
  if (!c.server.password.empty()) wrong = check_password(c.server.password);
  if (wrong) std::cerr << "tertuliad: " << c.server.password_file << ": " << *wrong << "\n";
  return !wrong;
}

startup ended(int status) { return {{}, status}; }

}  // namespace

startup read_startup(int argc, char** argv) {
  CLI::App app("tertuliad: a chat server for IRC clients that keeps what is said in its channels",
               "tertuliad");
  given g;
  declare(app, g);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return ended(app.exit(e) == 0 ? 0 : exit_usage);
  }
  startup out;
  if (!g.config_file.empty()) {
    auto loaded = load_config(g.config_file);
    if (!loaded) {
      print(g.config_file, loaded.error());
      return ended(exit_usage);
    }
    out.conf = std::move(*loaded);
  }
  if (!override_config(g, out.conf) || !read_password(out.conf)) return ended(exit_usage);
  if (g.only_check) {
    std::cout << "tertuliad: the configuration is good\n";
    return ended(0);
  }
  return out;
}

}  // namespace tertulia
