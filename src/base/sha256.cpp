#include "base/sha256.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/error.h"

namespace octet {
namespace {

// OpenSSL would take itself down when the program ends, before threads that still hold some of its memory have.
EVP_MD_CTX* new_context() {
  static const int ready = OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, nullptr);
  return ready ? EVP_MD_CTX_new() : nullptr;
}

}  // namespace

struct Sha256::State {
  EVP_MD_CTX* context = new_context();
  ~State() { EVP_MD_CTX_free(context); }

  void start() {
    if (!context || EVP_DigestInit_ex(context, EVP_sha256(), nullptr) != 1) {
      fail("SHA-256 is not to be had from OpenSSL here: its configuration may forbid it");
    }
  }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  state_->start();
}

Sha256::~Sha256() = default;

void Sha256::update(std::span<const std::byte> bytes) {
  if (EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) != 1) fail("SHA-256: OpenSSL refused an update");
}

std::string Sha256::hex() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_DigestFinal_ex(state_->context, digest, &size) != 1) fail("SHA-256: OpenSSL refused to finish");
  state_->start();
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

std::string sha256_hex(std::string_view text) {
  Sha256 sha;
  sha.update(text);
  return sha.hex();
}

}  // namespace octet
