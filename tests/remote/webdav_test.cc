// What WebDAV servers say of folders, well or badly.
#include <gtest/gtest.h>

#include <atomic>

#include "remote/webdav_listing.h"
#include "tests/remote/hostile_server.h"
#include "tests/remote/remote_calls.h"

namespace larder {
namespace {

// The headers and as much of a body as they announce; empty at the end.
std::string read_request(Peer& peer) {
  std::string request;
  for (;;) {
    const std::size_t end = request.find("\r\n\r\n");
    const std::size_t length = request.find("Content-Length: ");
    const std::size_t body = length < end ? std::stoul(request.substr(length + 16)) : 0;
    if (end != std::string::npos && request.size() >= end + 4 + body) return request;
    const std::string more = peer.read();
    if (more.empty()) return {};
    request += more;
  }
}

// Of two who make a folder in the same moment, Apache tells one that he may not.
class RefusedFolder : public testing::TestWithParam<bool> {};

TEST_P(RefusedFolder, IsTakenForAFolderThatIsThereUntilThePutFailsToo) {
  const bool is_there = GetParam();
  std::atomic<bool> has_asked = false;
  const HostileServer server([&](Peer& peer) {
    const std::string request = read_request(peer);
    std::string status = "404 Not Found";
    if (request.starts_with("MKCOL")) status = "403 Forbidden";
    if (request.starts_with("PUT")) status = has_asked && is_there ? "201 Created" : "409 Conflict";
    if (request.starts_with("MKCOL")) has_asked = true;
    peer.say("HTTP/1.1 " + status + "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  });
  const auto store = opened(options_of("webdav://127.0.0.1:" + std::to_string(server.port())));
  const auto stored = store->put(numbered(1), bytes_of("x"));
  EXPECT_EQ(stored.has_value(), is_there);
  if (!stored) {
    EXPECT_EQ(stored.error().code, Errc::permission_denied);
  }
  EXPECT_TRUE(has_asked);
}

INSTANTIATE_TEST_SUITE_P(Folders, RefusedFolder, testing::Bool());

// Each folder has one in it, says the server.
TEST(WebdavListing, OfFoldersInFoldersEnds) {
  std::atomic<int> asked = 0;
  const HostileServer server([&](Peer& peer) {
    const std::string request = read_request(peer);
    const std::string path = request.substr(9, request.find(' ', 9) - 9);
    const std::string xml =
        "<multistatus><response><href>" + path + "ab/</href><collection/></response></multistatus>";
    ++asked;
    peer.say("HTTP/1.1 207 Multi-Status\r\nContent-Length: " + std::to_string(xml.size()) +
             "\r\nConnection: close\r\n\r\n" + xml);
  });
  const auto store = opened(options_of("webdav://127.0.0.1:" + std::to_string(server.port())));
  const auto visited = store->visit([](const EntryInfo&) { return Visit::go_on; });
  EXPECT_TRUE(visited) << visited.error().message;
  EXPECT_LE(asked, 5);
}

// Where even the folder of the URL cannot be made, no other scheme helps.
TEST(WebdavFolders, OneThatIsMissingFurtherUpIsTold) {
  const HostileServer server([&](Peer& peer) {
    const bool writes = !read_request(peer).starts_with("HEAD");
    const std::string status = writes ? "409 Conflict" : "404 Not Found";
    peer.say("HTTP/1.1 " + status + "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  });
  const std::string place = "://127.0.0.1:" + std::to_string(server.port()) + "/a/b";
  const auto says = [&](const std::string& scheme) {
    const auto stored = opened(options_of(scheme + place))->put(numbered(1), bytes_of("x"));
    EXPECT_FALSE(stored);
    return stored ? "" : stored.error().message;
  };
  EXPECT_TRUE(says("webdav").contains("make it there")) << says("webdav");
  EXPECT_TRUE(says("http").contains("use webdav:// in place of http://")) << says("http");
}

// What a proxy that lost its server may say for all of a listing.
class NoListing : public testing::TestWithParam<const char*> {};

TEST_P(NoListing, IsNoEmptyOne) {
  const std::string xml = GetParam();
  const HostileServer server([&](Peer& peer) {
    const bool lists = read_request(peer).starts_with("PROPFIND");
    peer.say("HTTP/1.1 " + std::string(lists ? "207 Multi-Status" : "404 Not Found") +
             "\r\nContent-Length: " + std::to_string(xml.size()) + "\r\nConnection: close\r\n\r\n" +
             xml);
  });
  RemoteStoreOptions options = options_of("webdav://127.0.0.1:" + std::to_string(server.port()));
  options.breaker.failures = 1;
  const auto store = opened(options);
  const auto visited = store->visit([](const EntryInfo&) { return Visit::go_on; });
  ASSERT_FALSE(visited);
  EXPECT_EQ(visited.error().code, Errc::io_error) << visited.error().message;
  EXPECT_EQ(text_of(*store, 1), "absent") << "it gives what it cannot list";
}

INSTANTIATE_TEST_SUITE_P(Bodies, NoListing,
                         testing::Values("", "<html>welcome</html>", "<multistatus>",
                                         "<multistatus><response><href>/</href></response>",
                                         "<multistatus></multistatus><html></html>"));

TEST(WebdavListing, TellsMembersOfWhateverPrefix) {
  const std::string xml =
      "<?xml version=\"1.0\"?><D:multistatus xmlns:D=\"DAV:\">"
      "<D:response><D:href>/a/b/</D:href><D:propstat><D:prop><D:resourcetype><D:collection/>"
      "</D:resourcetype></D:prop></D:propstat></D:response>"
      "<D:response><D:href>/a/b/ab/</D:href><D:prop><D:resourcetype><D:collection/>"
      "</D:resourcetype></D:prop></D:response>"
      "<D:response><D:href>http://h:1/a/b/x.art</D:href><D:prop><D:resourcetype/>"
      "<D:getcontentlength>17</D:getcontentlength></D:prop></D:response>"
      "<D:response><D:href>/a/b/%61</D:href></D:response>"
      "<D:response><D:href>/a/b/../</D:href><D:collection/></D:response>"
      "<D:response><D:href>/a/b/./</D:href><D:collection/></D:response>"
      "<D:response><D:href>/elsewhere/y.art</D:href></D:response></D:multistatus>";
  const auto members = remote::parse_multistatus(xml, "/a/b/");
  ASSERT_EQ(members.size(), 2u);
  EXPECT_EQ(members[0].name, "ab");
  EXPECT_TRUE(members[0].is_collection);
  EXPECT_EQ(members[1].name, "x.art");
  EXPECT_FALSE(members[1].is_collection);
  EXPECT_EQ(members[1].bytes, 17u);
  for (std::size_t length = 0; length < xml.size(); ++length) {
    EXPECT_LE(remote::parse_multistatus(xml.substr(0, length), "/a/b/").size(), 2u);
  }
}

// Looking for the end of each name would take until tomorrow.
TEST(WebdavListing, AMillionNamesWithoutAnEndAreNone) {
  EXPECT_TRUE(remote::parse_multistatus(std::string(4u << 20, '<'), "/a/b/").empty());
}

}  // namespace
}  // namespace larder
