#include "tests/remote/apache_server.h"

#include <pwd.h>
#include <unistd.h>

namespace larder {
namespace {

constexpr const char* user = "www-data";

// It does not run as root: then all is its user's.
void give_away(const std::filesystem::path& root) {
  const passwd* who = ::getpwnam(user);
  ASSERT_NE(who, nullptr);
  EXPECT_EQ(::chown(root.c_str(), who->pw_uid, who->pw_gid), 0);
  for (const auto& each : std::filesystem::recursive_directory_iterator(root)) {
    EXPECT_EQ(::chown(each.path().c_str(), who->pw_uid, who->pw_gid), 0);
  }
}

std::string configuration(const std::string& here, std::uint16_t port) {
  std::string text =
      "ServerRoot " + here + "\nServerName localhost\nListen 127.0.0.1:" + std::to_string(port) +
      "\nPidFile " + here + "/pid\nErrorLog " + here + "/errors\nMutex file:" + here +
      " default\nDavLockDB " + here + "/locks\nDocumentRoot " + here + "/data\n";
  for (const char* module : {"mpm_event", "authz_core", "authn_core", "authn_file", "authz_user",
                             "auth_basic", "dav", "dav_fs"}) {
    text += std::string("LoadModule ") + module + "_module /usr/lib/apache2/modules/mod_" + module +
            ".so\n";
  }
  if (::geteuid() == 0) text += std::string("User ") + user + "\nGroup " + user + "\n";
  return text + R"(
ThreadsPerChild 24
ThreadLimit 24
MaxRequestWorkers 24
MaxKeepAliveRequests 0
KeepAliveTimeout 60
<Location />
 Require all granted
</Location>
<Location /dav>
 Dav On
</Location>
<Location /readonly>
 Dav On
 <LimitExcept GET HEAD>
  Require all denied
 </LimitExcept>
</Location>
<Location /small>
 Dav On
 LimitRequestBody 1024
</Location>
<Location /private>
 Dav On
 AuthType Basic
 AuthName x
 AuthBasicProvider file
 AuthUserFile )" +
         here + R"(/users
 Require valid-user
</Location>
)";
}

}  // namespace

ApacheServer::ApacheServer() {
  const std::string here = directory_.path();
  for (const char* folder : {"dav", "readonly", "small", "private"}) {
    std::filesystem::create_directories(data() / folder);
  }
  const auto mode = std::filesystem::perms::owner_read;
  directory_.write("users", "reader:{SHA}kGByAB793z4R5tK1eC9Hd/4Dhzk=\n", mode);
  const auto file = directory_.write("apache.conf", configuration(here, port_), mode);
  if (::geteuid() == 0) give_away(directory_.path());
  process_ = std::make_unique<ServerProcess>(
      std::vector<std::string>{"/usr/sbin/apache2", "-X", "-f", file.string()}, directory_.path());
  EXPECT_TRUE(ServerProcess::comes_up([this] { return accepts_at(port_); }));
}

}  // namespace larder
