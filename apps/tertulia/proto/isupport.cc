#include "proto/isupport.h"

#include "proto/casemap.h"
#include "proto/names.h"

namespace tertulia::proto {

namespace {

// escaped_value: spaces, backslashes and equals signs as \xHH, as the specification has it.
std::string escaped_value(const std::string& value) {
  std::string out;
  for (const char c : value) {
    switch (c) {
      case ' ': out += "\\x20"; break;
      case '\\': out += "\\x5C"; break;
      case '=': out += "\\x3D"; break;
      default: out += c;
    }
  }
  return out;
}

std::string target_limits(int n) {
  const std::string many = std::to_string(n);
  // JOIN and PART are bounded by the line, and JOIN by CHANLIMIT.
  return "TARGMAX=JOIN:,PART:,KICK:" + many + ",NAMES:" + many + ",LIST:" + many +
         ",WHOIS:1,PRIVMSG:" + many + ",NOTICE:" + many + ",TAGMSG:" + many;
}

}  // namespace

std::vector<std::string> isupport_tokens(const isupport_values& values) {
  const auto sized = [](const char* key, std::size_t size) { return key + std::to_string(size); };
  return {
      "CASEMAPPING=" + std::string(casemapping),
      "CHANTYPES=#",
      "CHANMODES=b,k,l,imnst",
      "PREFIX=(ov)@+",
      "NETWORK=" + escaped_value(values.network),
      "CHANLIMIT=#:" + std::to_string(values.channels_max),
      "MAXLIST=b:" + std::to_string(values.bans_max),
      "MODES=" + std::to_string(values.modes_max),
      target_limits(values.targets_max),
      sized("NICKLEN=", nick_size_max),
      sized("USERLEN=", user_size_max),
      sized("HOSTLEN=", host_size_max),
      sized("CHANNELLEN=", channel_size_max),
      sized("TOPICLEN=", topic_size_max),
      sized("AWAYLEN=", away_size_max),
      sized("KICKLEN=", kick_size_max),
      sized("KEYLEN=", key_size_max),
      "UTF8ONLY",
      "CHATHISTORY=" + std::to_string(values.chathistory_max),
      "MSGREFTYPES=msgid,timestamp",
  };
}

}  // namespace tertulia::proto
