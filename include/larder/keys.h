// The secrets of the authenticated mode.
//
// Without a key a store detects accidents, not attackers: whoever may write into it can make a
// valid entry. With a key each entry is authenticated: what was made without the secret is a miss,
// whatever it looks like. SECURITY.md says what that protects from, and what not.
#ifndef LARDER_KEYS_H_
#define LARDER_KEYS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "larder/error.h"

namespace larder LARDER_PUBLIC {

class FileSystem;

// Immutable; copies share the secrets, which are overwritten when the last one goes. Any thread may
// call any function.
class Keys {
 public:
  using Secret = std::array<std::uint8_t, 32>;  // random bytes, known to nobody else
  static constexpr std::size_t most_secrets = 16;

  Keys() = default;  // no key

  // The first secret is written with, all are read. The caller wipes its own copy.
  // invalid_argument: none, more than most_secrets, or one of them twice. out_of_memory.
  static Result<Keys> from_secrets(std::span<const Secret> secrets);

  bool empty() const noexcept { return secrets_ == nullptr; }

  // Of each secret, in their order; tells nothing of it. Never 0: that is "no key".
  std::vector<std::uint64_t> ids() const;

  // For the library: base/derived_keys.h.
  struct Secrets;
  const Secrets* secrets() const noexcept { return secrets_.get(); }

 private:
  std::shared_ptr<const Secrets> secrets_;
};

// Reads a key file: a secret of 64 lower-case hex digits on each line, the one to write with first.
// bad_config, with a message that says what to do, for whatever is not a regular file of this user
// or of root that nobody else may touch (mode 0600 or stricter, no link), and not of this form.
// Messages never quote the content. `file_system` null: the machine's own.
Result<Keys> read_key_file(const std::string& path, FileSystem* file_system = nullptr);

// Makes a key file with one new secret, durably, with mode 0600. exists when there is anything of
// that name, which then stays as it is; errors of the file system.
Result<void> make_key_file(const std::string& path, FileSystem* file_system = nullptr);

}  // namespace larder

#endif  // LARDER_KEYS_H_
