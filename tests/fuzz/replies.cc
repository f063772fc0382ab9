// What servers answer: slot maps and redirections of Redis Cluster, listings of S3 and WebDAV; and
// the files of secrets that other programs write.
//
//   byte: which
#include <hiredis/hiredis.h>

#include <memory>
#include <set>

#include "remote/redis_reply_bound.h"
#include "remote/redis_slots.h"
#include "remote/s3_listing.h"
#include "remote/webdav_listing.h"
#include "store/remote/aws_credentials.h"
#include "store/remote/netrc.h"
#include "tests/fuzz/fuzz.h"

namespace larder::fuzz {
namespace {

constexpr std::string_view collection = "/dav/";

struct ReaderCloser {
  void operator()(redisReader* reader) const { redisReaderFree(reader); }
};
struct ReplyCloser {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};

// As it comes over the wire; null when the client library takes it for none.
std::unique_ptr<redisReply, ReplyCloser> reply_of(const std::string& wire) {
  remote::RedisReplyBound bound;
  const std::unique_ptr<redisReader, ReaderCloser> reader(redisReaderCreate());
  bound.bind(*reader);
  void* reply = nullptr;
  const bool is_whole = redisReaderFeed(reader.get(), wire.data(), wire.size()) == REDIS_OK &&
                        redisReaderGetReply(reader.get(), &reply) == REDIS_OK;
  return std::unique_ptr<redisReply, ReplyCloser>(is_whole ? static_cast<redisReply*>(reply)
                                                           : nullptr);
}

void check_address(const remote::RedisAddress& address) {
  require(address.port != 0 && address.host.size() <= 255);
  require(address.host.find_first_of(" \r\n/@") == std::string::npos);
}

void check_slot_map(const std::string& wire) {
  const auto reply = reply_of(wire);
  if (!reply) return;
  const auto map = remote::parse_slot_map(*reply);
  if (!map) return;
  require(!map->nodes.empty() && map->nodes.size() <= 1024);
  require(std::set(map->nodes.begin(), map->nodes.end()).size() == map->nodes.size());
  for (const remote::RedisAddress& node : map->nodes) check_address(node);
  for (const std::uint16_t owner : map->owners) {
    require(owner < map->nodes.size() || owner == remote::RedisSlotMap::nobody);
  }
}

void check_redirection(const std::string& text) {
  const auto redirection = remote::parse_redirection(text);
  if (!redirection) return;
  require(redirection->slot < remote::redis_slots);
  check_address(redirection->address);
}

void check_s3_page(const std::string& xml) {
  const remote::S3Page page = remote::parse_s3_page(xml);
  for (const auto& object : page.objects) {
    require(object.key.find_first_of("&<") == std::string::npos);
    require(xml.find(object.key) != std::string::npos);
  }
  const std::string query = remote::s3_query(page.next, page.next);
  require(query.find_first_of(" <>\"/+") == std::string::npos);
}

void check_multistatus(const std::string& xml) {
  for (const remote::Member& member : remote::parse_multistatus(xml, collection)) {
    require(!member.name.empty());
    require(member.name.find_first_of("/%&<") == std::string::npos);
  }
}

void check_secrets(const std::string& text) {
  if (const auto login = find_login(text, "host", "")) {
    require(text.find(login->user) != std::string::npos);
    require(text.find(login->password) != std::string::npos);
  }
  if (const auto credentials = parse_aws_credentials(text, "default")) {
    require(!credentials->access_key.empty() && !credentials->secret_key.empty());
    require(credentials->secret_key.find('\n') == std::string::npos);
  }
}

}  // namespace

void test_one(std::span<const std::byte> bytes) {
  Input input(bytes);
  const std::uint8_t which = input.byte();
  const std::string text = text_of(input.rest());
  constexpr void (*checks[])(const std::string&) = {
      check_slot_map, check_redirection, check_s3_page, check_multistatus, check_secrets};
  checks[which % std::size(checks)](text);
}

}  // namespace larder::fuzz
