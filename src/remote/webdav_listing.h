// What a WebDAV server answers to PROPFIND: the members of a collection.
#ifndef LARDER_REMOTE_WEBDAV_LISTING_H_
#define LARDER_REMOTE_WEBDAV_LISTING_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace larder::remote {

// What a server is asked to tell of each member.
inline constexpr std::string_view propfind_question =
    "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
    "<propfind xmlns=\"DAV:\"><prop><resourcetype/><getcontentlength/></prop></propfind>\n";

struct Member {
  std::string name;  // without slashes
  bool is_collection = false;
  std::uint64_t bytes = 0;
};

// The members of the collection at `path`, which begins and ends with a slash. Not an XML parser:
// it looks for the four elements by their names, and passes over whatever it does not understand,
// names with %XX in them too. Reads untrusted text safely.
std::vector<Member> parse_multistatus(std::string_view xml, std::string_view path);

}  // namespace larder::remote

#endif  // LARDER_REMOTE_WEBDAV_LISTING_H_
