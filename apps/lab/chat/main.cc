// weft-chat: the paper's chat: a process cluster per member. It uses POSIX, libc and libstdc++
// alone.

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <expected>
#include <string>
#include <vector>

#include "chat/chat_file.h"
#include "chat/client.h"
#include "chat/cluster.h"
#include "chat/config.h"
#include "chat/daemon.h"
#include "chat/key.h"
#include "serve/server.h"
#include "serve/socket.h"

namespace {

using namespace lab::chat;

constexpr const char* usage_text =
    "usage: weft-chat server [-c CONFIG] [-k KEY] [-f]\n"
    "       weft-chat client [-c CONFIG]\n"
    "       weft-chat key\n"
    "\n"
    "server  a daemon, or with -f in the foreground; SIGTERM ends it\n"
    "        CONFIG (/etc/weft-chat/server.config), lines of\n"
    "          PORT number (7722)        HOST address (0.0.0.0)   NETWORK tcp, tcp4, tcp6 (tcp)\n"
    "          FILE path (/var/lib/weft-chat/chat)                FILE_MIB number (1024)\n"
    "          MEMBERS number (256)      USER name: give up root for it\n"
    "        KEY (/etc/weft-chat/key), a line: KEY and 128 characters\n"
    "client  CONFIG (~/.weft-chat/client.config), lines of\n"
    "          PORT number (7722)  HOST name (127.0.0.1)  USERNAME name  KEY value\n"
    "key     prints a new key file\n";

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "weft-chat: %s\n", why.c_str());
  std::exit(1);
}

template <class T>
T or_fail(std::expected<T, std::string> value) {
  if (!value) fail(value.error());
  return std::move(*value);
}

std::string text_of(const config& c, std::string_view name, const char* otherwise) {
  const auto found = c.find(name);
  return found == c.end() ? otherwise : found->second;
}

// become_user: gives up being root.
void become_user(const std::string& name) {
  if (name.empty()) return;
  const passwd* user = ::getpwnam(name.c_str());
  if (user == nullptr) fail("there is no user '" + name + "'");
  if (::initgroups(name.c_str(), user->pw_gid) != 0 || ::setgid(user->pw_gid) != 0 ||
      ::setuid(user->pw_uid) != 0)
    fail("cannot become user '" + name + "': " + std::strerror(errno));
}

int server(const std::string& config_path, const std::string& key_path, bool foreground) {
  const auto c = or_fail(
      read_config(config_path, {"PORT", "HOST", "NETWORK", "FILE", "FILE_MIB", "MEMBERS", "USER"}));
  cluster_options options;
  options.key = or_fail(read_key(key_path));
  options.members_max = or_fail(number_of(c, "MEMBERS", options.members_max, 100'000));
  constexpr unsigned long mib = 1024 * 1024;
  options.file_max =
      static_cast<off_t>(or_fail(number_of(c, "FILE_MIB", 1024, 2047))) * static_cast<off_t>(mib);
  lab::serve_options listen;
  listen.host = text_of(c, "HOST", "0.0.0.0");
  listen.port = static_cast<std::uint16_t>(or_fail(number_of(c, "PORT", 7722, 65535)));
  const auto network = lab::parse_family(text_of(c, "NETWORK", "tcp"));
  if (!network) fail("NETWORK is tcp, tcp4 or tcp6");
  listen.network = *network;
  // All that can fail does so while there is somebody to tell.
  const int listener = lab::listen_on(listen);
  become_user(text_of(c, "USER", ""));
  const std::string path = text_of(c, "FILE", "/var/lib/weft-chat/chat");
  auto file = chat_file::open(path);
  if (!file) fail(path + ": " + std::strerror(errno));
  if (foreground) {
    lab::announce(listen.host, lab::port_of(listener));
  } else {
    become_daemon(listener, file->descriptor());
  }
  log("started");
  run_cluster(listener, *file, options);
  log("ended");
  return 0;
}

int client(const std::string& config_path) {
  const auto c = or_fail(read_config(config_path, {"PORT", "HOST", "USERNAME", "KEY"}));
  client_options options;
  options.host = text_of(c, "HOST", options.host.c_str());
  options.port = text_of(c, "PORT", options.port.c_str());
  options.name = text_of(c, "USERNAME", "somebody");
  options.key = text_of(c, "KEY", "");
  if (options.key.size() != key_size) fail(config_path + ": KEY has 128 characters");
  return run_client(options);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const std::string command = words.empty() ? "" : words[0];
  const char* home = std::getenv("HOME");
  std::string config_path =
      command == "client" ? std::string(home == nullptr ? "" : home) + "/.weft-chat/client.config"
                          : "/etc/weft-chat/server.config";
  std::string key_path = "/etc/weft-chat/key";
  bool foreground = false;
  bool understood = command == "server" || command == "client" || (command == "key" && argc == 2);
  for (std::size_t i = 1; i < words.size(); ++i) {
    const bool more = i + 1 < words.size();
    if (words[i] == "-c" && more) {
      config_path = words[++i];
    } else if (words[i] == "-k" && more && command == "server") {
      key_path = words[++i];
    } else if (words[i] == "-f" && command == "server") {
      foreground = true;
    } else {
      understood = false;
    }
  }
  if (!understood) {
    std::fputs(usage_text, stderr);
    return 2;
  }
  if (command == "server") return server(config_path, key_path, foreground);
  if (command == "client") return client(config_path);
  const std::string key = new_key();
  if (key.empty()) fail("/dev/urandom cannot be read");
  std::printf("KEY %s\n", key.c_str());
  return 0;
}
