// A file descriptor with an owner.
#ifndef LARDER_OS_DESCRIPTOR_H_
#define LARDER_OS_DESCRIPTOR_H_

#include <unistd.h>

#include <utility>

namespace larder::os {

class Descriptor {
 public:
  explicit Descriptor(int number) noexcept : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }

  int get() const noexcept { return number_; }
  bool valid() const noexcept { return number_ >= 0; }

  // Gives up ownership.
  int release() noexcept { return std::exchange(number_, -1); }

 private:
  int number_;
};

}  // namespace larder::os

#endif  // LARDER_OS_DESCRIPTOR_H_
