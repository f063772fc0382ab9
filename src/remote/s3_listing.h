// What an S3 server answers to ListObjectsV2: a page of the keys that begin with a prefix.
#ifndef LARDER_REMOTE_S3_LISTING_H_
#define LARDER_REMOTE_S3_LISTING_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace larder::remote {

struct S3Page {
  struct Object {
    std::string key;
    std::uint64_t bytes = 0;
  };
  std::vector<Object> objects;
  bool is_truncated = false;  // there are more
  std::string next;           // the token of the page that has them; empty: the server names none
};

// Keys with an `&` in them, as XML writes it, are passed over: none is ours. Reads untrusted text
// safely.
S3Page parse_s3_page(std::string_view xml);

// The query of a page, as a signature wants it: sorted, and everything encoded.
std::string s3_query(std::string_view prefix, std::string_view token);

}  // namespace larder::remote

#endif  // LARDER_REMOTE_S3_LISTING_H_
