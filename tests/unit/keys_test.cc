// Secrets and the files that hold them.
#include "larder/keys.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "larder/file_system.h"
#include "tests/unit/keyed_fixture.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

constexpr const char* one = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
constexpr const char* two = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

// The machine's, for a user who may read everything.
class SomebodyElse final : public FileSystem {
 public:
  Result<std::unique_ptr<Directory>> open_directory(std::string_view path) override {
    return real_.open_directory(path);
  }
  Result<std::string> resolve(std::string_view path) override { return real_.resolve(path); }
  Result<std::string> read_file(std::string_view path, std::size_t max_bytes) override {
    return real_.read_file(path, max_bytes);
  }
  UserInfo user() override { return {.effective = ::geteuid() + 1}; }
  Result<std::string> random_name() override { return real_.random_name(); }
  std::int64_t now_s() override { return real_.now_s(); }

 private:
  FileSystem& real_ = posix_file_system();
};

class KeyFile : public ::testing::Test {
 protected:
  KeyFile() {
    std::string pattern = (fs::temp_directory_path() / "larder-").string() + std::string(6, 'X');
    directory_ = ::mkdtemp(pattern.data());
    path_ = (directory_ / "key").string();
  }
  ~KeyFile() override { fs::remove_all(directory_); }

  void write(const std::string& text, unsigned mode = 0600) const {
    fs::remove(path_);
    std::ofstream(path_, std::ios::binary) << text;
    ASSERT_EQ(::chmod(path_.c_str(), mode), 0);
  }

  std::string content() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  // "" when it is accepted. No message may tell what is in the file.
  std::string refusal() const {
    const auto keys = read_key_file(path_);
    if (keys) return "";
    EXPECT_EQ(keys.error().code, Errc::bad_config);
    EXPECT_TRUE(keys.error().message.starts_with(path_)) << keys.error().message;
    EXPECT_EQ(keys.error().message.find('\n'), std::string::npos);
    for (const char* secret : {one, two}) {
      EXPECT_EQ(keys.error().message.find(std::string(secret).substr(2, 8)), std::string::npos);
    }
    return keys.error().message.substr(path_.size());
  }

  fs::path directory_;
  std::string path_;
};

TEST_F(KeyFile, HoldsASecretOnEachLineTheFirstToWriteWith) {
  write(std::string(one) + "\n" + two + "\n");
  const auto both = read_key_file(path_);
  ASSERT_TRUE(both) << both.error().message;
  write(one);
  const auto first = read_key_file(path_);
  ASSERT_TRUE(first) << first.error().message;
  ASSERT_EQ(both->ids().size(), 2u);
  EXPECT_EQ(first->ids(), std::vector{both->ids()[0]});
  EXPECT_NE(both->ids()[0], both->ids()[1]);
  for (const unsigned mode : {0600u, 0400u}) {
    write(one, mode);
    EXPECT_EQ(refusal(), "") << mode;
  }
}

TEST_F(KeyFile, IsRefusedWhenOthersMayUseIt) {
  for (const unsigned mode : {0644u, 0640u, 0604u, 0660u, 0601u, 0700u, 04600u}) {
    write(one, mode);
    EXPECT_NE(refusal().find("chmod 600"), std::string::npos) << mode;
  }
}

TEST_F(KeyFile, IsRefusedWhenItIsAnotherUsers) {
  write(one);
  constexpr uid_t nobody = 65534;
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(path_.c_str(), nobody, nobody), 0);
    EXPECT_NE(refusal().find("another user"), std::string::npos);
    return;
  }
  SomebodyElse other;
  const auto keys = read_key_file(path_, &other);
  ASSERT_FALSE(keys);
  EXPECT_NE(keys.error().message.find("another user"), std::string::npos);
}

TEST_F(KeyFile, IsRefusedWhenItIsNoRegularFile) {
  write(one);
  const fs::path link = directory_ / "link";
  fs::create_symlink(path_, link);
  path_ = link.string();
  EXPECT_NE(refusal().find("no link"), std::string::npos);
  path_ = (directory_ / "fifo").string();
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_NE(refusal().find("regular file"), std::string::npos);
  path_ = (directory_ / "folder").string();
  fs::create_directory(path_);
  EXPECT_NE(refusal().find("regular file"), std::string::npos);
  path_ = (directory_ / "nothing").string();
  EXPECT_NE(refusal().find("larder key new"), std::string::npos);
  path_ = (directory_ / "no folder" / "key").string();
  EXPECT_NE(refusal(), "");
}

TEST_F(KeyFile, IsRefusedWhenItHoldsAnythingElse) {
  const std::string digits = one;
  std::string upper = digits;
  upper[63] = 'F';
  const std::string garbage[] = {"",
                                 "\n",
                                 digits.substr(1),
                                 digits + "0",
                                 upper,
                                 "g" + digits.substr(1),
                                 digits + " \n",
                                 " " + digits,
                                 digits + "\r\n",
                                 digits + "\n\n",
                                 digits + "\n" + digits.substr(2),
                                 digits + "\n" + digits + "\n",
                                 std::string(32, '\1'),
                                 std::string(64, '\0'),
                                 std::string(1 << 20, 'a')};
  for (const std::string& text : garbage) {
    write(text);
    EXPECT_NE(refusal(), "") << text.substr(0, 70);
  }
  std::string many;
  for (const char digit : std::string_view("0123456789abcdef")) many.append(64, digit) += '\n';
  write(many);
  EXPECT_EQ(refusal(), "");
  many.append(63, '0') += "1\n";
  write(many);
  EXPECT_NE(refusal(), "") << "a key too many";
}

TEST_F(KeyFile, IsMadeForItsOwnerAlone) {
  const mode_t before = ::umask(0);
  const auto made = make_key_file(path_);
  ::umask(before);
  ASSERT_TRUE(made) << made.error().message;
  struct stat status = {};
  ASSERT_EQ(::lstat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  EXPECT_EQ(status.st_size, 65);
  EXPECT_EQ(refusal(), "");
  const std::string first = content();
  const auto again = make_key_file(path_);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::exists);
  EXPECT_EQ(content(), first);
  path_ += "2";
  ASSERT_TRUE(make_key_file(path_));
  EXPECT_NE(content(), first);
}

TEST(Keys, AreAtLeastOneAndNoneTwice) {
  EXPECT_FALSE(Keys::from_secrets({}));
  const std::vector<Keys::Secret> twice(2);
  EXPECT_FALSE(Keys::from_secrets(twice));
  std::vector<Keys::Secret> many(Keys::most_secrets + 1);
  for (std::size_t i = 0; i < many.size(); ++i) many[i][0] = static_cast<std::uint8_t>(i);
  EXPECT_FALSE(Keys::from_secrets(many));
  many.pop_back();
  EXPECT_TRUE(Keys::from_secrets(many));
  EXPECT_TRUE(Keys().empty());
  EXPECT_TRUE(Keys().ids().empty());
}

TEST(Keys, AreDifferentForEachPurposeStoreAndSecret) {
  const std::array<std::byte, 16> store = {};
  std::array<std::byte, 16> another = {};
  another[0] = std::byte{1};
  const auto derived = derive_keys(keys_of({1, 2}), "a", store);
  ASSERT_EQ(derived.size(), 2u);
  EXPECT_EQ(derived[0].id, keys_of({1}).ids().front());
  EXPECT_NE(derived[0].bytes, derived[1].bytes);
  EXPECT_NE(derived[0].bytes, derive_keys(keys_of({1}), "b", store).front().bytes);
  EXPECT_NE(derived[0].bytes, derive_keys(keys_of({1}), "a", another).front().bytes);
  EXPECT_EQ(derived[0].bytes, derive_keys(keys_of({1}), "a", store).front().bytes);
  ASSERT_EQ(derive_keys({}, "a", store).size(), 1u);
  EXPECT_EQ(derive_keys({}, "a", store).front().id, 0u);
}

}  // namespace
}  // namespace larder
