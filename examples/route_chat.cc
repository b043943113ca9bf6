// route_chat: a stream in both directions at once. The client sends notes about places while it
// receives; the server answers each with what was left at that place before. A note is a frame.
// Both sides are loops that read and write: no callback, no observer, nothing to await.
//
//   $ ./route_chat
//   0,0 First
//   ...

#include <weft/error.h>
#include <weft/frame.h>
#include <weft/net.h>
#include <weft/runtime.h>
#include <weft/scope.h>

#include <cstdio>
#include <map>
#include <string>

namespace {

weft::result<void> serve(weft::net::listener& at) {
  auto client = at.accept();
  if (!client) return std::unexpected(client.error());
  weft::frame_reader in(*client);
  weft::frame_writer out(*client);
  std::multimap<std::string, std::string> notes;  // by place
  auto frame = in.next();
  for (; frame; frame = in.next()) {
    const std::string note(frame->begin(), frame->end()), place = note.substr(0, note.find(' '));
    const auto [first, last] = notes.equal_range(place);
    for (auto earlier = first; earlier != last; ++earlier) {
      if (auto sent = out.write(earlier->second); !sent) return sent;
    }
    notes.emplace(place, note);
  }
  if (!frame.error().eof()) return std::unexpected(frame.error());
  return client->close_write();
}

weft::result<void> send(weft::net::conn& server) {
  weft::frame_writer out(server);
  for (const std::string note :
       {"0,0 First", "0,1 Second", "1,0 Third", "0,0 Fourth", "0,1 Fifth", "0,0 Sixth"}) {
    if (auto sent = out.write(note); !sent) return sent;
  }
  return server.close_write();
}

weft::result<void> receive(weft::net::conn& server) {
  weft::frame_reader in(server);
  auto note = in.next();
  for (; note; note = in.next()) {
    std::printf("%.*s\n", static_cast<int>(note->size()), note->data());
  }
  if (!note.error().eof()) return std::unexpected(note.error());
  return {};
}

}  // namespace

int main() {
  return weft::run([] {
    auto listener = weft::net::listen("tcp", "127.0.0.1:0").value();
    auto server = weft::net::dial("tcp", listener.local_address().to_string()).value();
    weft::scope all;  // the first failure ends the others
    all.go([&] { return serve(listener); });
    all.go([&] { return send(server); });
    all.go([&] { return receive(server); });
    const auto ended = all.join();
    if (!ended) std::fprintf(stderr, "route_chat: %s\n", ended.error().message().c_str());
    return ended ? 0 : 1;
  });
}
