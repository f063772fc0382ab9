// An open file descriptor that closes itself.
#ifndef LARDER_CLI_DESCRIPTOR_H_
#define LARDER_CLI_DESCRIPTOR_H_

#include <unistd.h>

#include <utility>

namespace larder::cli {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() { close(); }

  explicit operator bool() const { return number_ >= 0; }
  int get() const { return number_; }

  // What close(2) returned; 0 when there was nothing to close.
  int close() { return number_ < 0 ? 0 : ::close(std::exchange(number_, -1)); }

 private:
  int number_ = -1;
};

}  // namespace larder::cli

#endif  // LARDER_CLI_DESCRIPTOR_H_
