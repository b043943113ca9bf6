#pragma once

// numerics: the replies with a number, each with the text a client shows. A text of "" means that
// the reply's last parameter is put together where it is sent.

#include <string_view>

namespace tertulia::proto {

struct numeric {
  int code;
  std::string_view text;
};

// Registration and the server.
inline constexpr numeric rpl_welcome{1, ""};
inline constexpr numeric rpl_yourhost{2, ""};
inline constexpr numeric rpl_created{3, ""};
inline constexpr numeric rpl_myinfo{4, ""};
inline constexpr numeric rpl_isupport{5, "are supported by this server"};
inline constexpr numeric rpl_luserclient{251, ""};
inline constexpr numeric rpl_luserunknown{253, "unregistered connection(s)"};
inline constexpr numeric rpl_luserchannels{254, "channel(s) formed"};
inline constexpr numeric rpl_luserme{255, ""};
inline constexpr numeric rpl_localusers{265, ""};
inline constexpr numeric rpl_globalusers{266, ""};
inline constexpr numeric rpl_version{351, ""};
inline constexpr numeric rpl_motd{372, ""};
inline constexpr numeric rpl_motdstart{375, ""};
inline constexpr numeric rpl_endofmotd{376, "End of /MOTD command"};
inline constexpr numeric rpl_time{391, ""};

// People.
inline constexpr numeric rpl_umodeis{221, ""};
inline constexpr numeric rpl_away{301, ""};
inline constexpr numeric rpl_userhost{302, ""};
inline constexpr numeric rpl_ison{303, ""};
inline constexpr numeric rpl_unaway{305, "You are no longer marked as being away"};
inline constexpr numeric rpl_nowaway{306, "You have been marked as being away"};
inline constexpr numeric rpl_whoisuser{311, ""};
inline constexpr numeric rpl_whoisserver{312, ""};
inline constexpr numeric rpl_endofwho{315, "End of WHO list"};
inline constexpr numeric rpl_whoisidle{317, "seconds idle, signon time"};
inline constexpr numeric rpl_endofwhois{318, "End of /WHOIS list"};
inline constexpr numeric rpl_whoischannels{319, ""};
inline constexpr numeric rpl_whoreply{352, ""};

// Channels.
inline constexpr numeric rpl_list{322, ""};
inline constexpr numeric rpl_listend{323, "End of LIST"};
inline constexpr numeric rpl_channelmodeis{324, ""};
inline constexpr numeric rpl_creationtime{329, ""};
inline constexpr numeric rpl_notopic{331, "No topic is set"};
inline constexpr numeric rpl_topic{332, ""};
inline constexpr numeric rpl_topicwhotime{333, ""};
inline constexpr numeric rpl_inviting{341, ""};
inline constexpr numeric rpl_namreply{353, ""};
inline constexpr numeric rpl_endofnames{366, "End of /NAMES list"};
inline constexpr numeric rpl_banlist{367, ""};
inline constexpr numeric rpl_endofbanlist{368, "End of channel ban list"};

// What went wrong.
inline constexpr numeric err_nosuchnick{401, "No such nick/channel"};
inline constexpr numeric err_nosuchserver{402, "No such server"};
inline constexpr numeric err_nosuchchannel{403, "No such channel"};
inline constexpr numeric err_cannotsendtochan{404, "Cannot send to channel"};
inline constexpr numeric err_toomanychannels{405, "You have joined too many channels"};
inline constexpr numeric err_toomanytargets{407, "Too many targets"};
inline constexpr numeric err_noorigin{409, "No origin specified"};
inline constexpr numeric err_invalidcapcmd{410, "Invalid CAP command"};
inline constexpr numeric err_norecipient{411, ""};
inline constexpr numeric err_notexttosend{412, "No text to send"};
inline constexpr numeric err_inputtoolong{417, "Input line was too long"};
inline constexpr numeric err_unknowncommand{421, "Unknown command"};
inline constexpr numeric err_nomotd{422, "MOTD File is missing"};
inline constexpr numeric err_nonicknamegiven{431, "No nickname given"};
inline constexpr numeric err_erroneusnickname{432, "Erroneous nickname"};
inline constexpr numeric err_nicknameinuse{433, "Nickname is already in use"};
inline constexpr numeric err_unavailresource{437, "Channel is temporarily unavailable"};
inline constexpr numeric err_usernotinchannel{441, "They aren't on that channel"};
inline constexpr numeric err_notonchannel{442, "You're not on that channel"};
inline constexpr numeric err_useronchannel{443, "is already on channel"};
inline constexpr numeric err_notregistered{451, "You have not registered"};
inline constexpr numeric err_needmoreparams{461, "Not enough parameters"};
inline constexpr numeric err_alreadyregistered{462, "You may not reregister"};
inline constexpr numeric err_passwdmismatch{464, "Password incorrect"};
inline constexpr numeric err_channelisfull{471, "Cannot join channel (+l)"};
inline constexpr numeric err_unknownmode{472, "is unknown mode char to me"};
inline constexpr numeric err_inviteonlychan{473, "Cannot join channel (+i)"};
inline constexpr numeric err_bannedfromchan{474, "Cannot join channel (+b)"};
inline constexpr numeric err_badchannelkey{475, "Cannot join channel (+k)"};
inline constexpr numeric err_banlistfull{478, "Channel list is full"};
inline constexpr numeric err_chanoprivsneeded{482, "You're not channel operator"};
inline constexpr numeric err_umodeunknownflag{501, "Unknown MODE flag"};
inline constexpr numeric err_usersdontmatch{502, "Cannot change mode for other users"};
inline constexpr numeric err_invalidkey{525, "Key is not well-formed"};
inline constexpr numeric err_invalidmodeparam{696, ""};

}  // namespace tertulia::proto
