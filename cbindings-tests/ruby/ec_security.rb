# frozen_string_literal: true

require "fiddle"

# libec_security for Ruby, through fiddle: drops the privileges of every thread of this process.
#
#     require_relative "ec_security"
#     ECSecurity.apply("ecuser", "ecuser", "cap_net_bind_service+ep")
#
# A call that is refused raises ECSecurity::Error with the library's full message, and nothing about the process has
# changed. Needs nothing but the standard library and libec_security.so.0, which the loader must find; EC_SECURITY_LIB may
# name another file.
#
# A policy has a message of its own. The message of any other failure belongs to the thread of the operating system. Where Ruby
# threads may change theirs (RUBY_MN_THREADS=1, a Ractor), use a policy, or call from the main thread, which never does.
module ECSecurity
  # The EC_SECURITY_E… of ec_security.h. Numbers are never given away again; a newer library may have more.
  STATUS = {
    EARGUMENT: 1,
    ESYNTAX: 2,
    EOPTION: 3,
    EUSER: 4,
    EGROUP: 5,
    ELOOKUP: 6,
    ECAPABILITY: 7,
    EREFUSED: 8,
    ETHREAD: 9,
    EPROC: 10,
    EBUSY: 11,
    ERESOURCE: 12,
    EFILE: 13,
    ENOSTANZA: 14,
    ECHROOT: 15,
    ENOPROCESS: 16,
    EINTERNAL: 17
  }.freeze

  # The three sets a capability text describes; bit n of each is capability number n.
  Caps = Struct.new(:effective, :permitted, :inheritable)

  # The functions of the library, by their names without the prefix.
  module C # :nodoc:
    # nil is NULL; a NUL inside, which would cut the text short, is an ArgumentError.
    text = Fiddle::TYPE_CONST_STRING
    buffer = policy = Fiddle::TYPE_VOIDP
    int = Fiddle::TYPE_INT
    library = Fiddle.dlopen(ENV.fetch("EC_SECURITY_LIB", "libec_security.so.0"))
    {
      apply: [int, text, text, text],
      policy_new: [policy],
      policy_free: [Fiddle::TYPE_VOID, policy],
      policy_set: [int, policy, text, text],
      policy_load: [int, policy, text],
      policy_parse: [int, policy, text],
      policy_check: [int, policy],
      policy_apply: [int, policy],
      policy_get: [int, policy, text, buffer, Fiddle::TYPE_SIZE_T],
      policy_error: [text, policy],
      caps_from_text: [int, text, Fiddle::TYPE_VOIDP],
      caps_to_text: [int, Fiddle::TYPE_VOIDP, buffer, Fiddle::TYPE_SIZE_T],
      status: [int, int, buffer, Fiddle::TYPE_SIZE_T],
      raise: [int, text],
      lower: [int, text],
      strerror: [text, int],
      last_error: [text],
      version: [text]
    }.each do |name, (result, *arguments)|
      function = Fiddle::Function.new(library["ec_security_#{name}"], arguments, result)
      define_singleton_method(name) { |*given| function.call(*given) }
    end

    POLICY_FREE = Fiddle::Function.new(library["ec_security_policy_free"], [policy], Fiddle::TYPE_VOID)
  end
  private_constant :C

  # A call was refused, and nothing has changed. +status+ is the number, +name+ its name (nil if a newer library has
  # returned it), +kind+ its fixed text.
  class Error < StandardError
    attr_reader :status, :name, :kind

    def initialize(status, policy = nil)
      # A policy has a message of its own, whatever thread the failure happened in.
      message = policy ? C.policy_error(policy) : C.last_error
      super(message.force_encoding(Encoding.default_external))
      @status = status
      @name = STATUS.key(status)
      @kind = C.strerror(status)
    end
  end

  # Every option of the Security stanza: ECSecurity::Policy.new(user: "ecuser", bounding: "keep").apply
  class Policy
    def initialize(**options)
      @policy = C.policy_new
      raise Error, STATUS[:ERESOURCE] if @policy.null?

      # Called when this object is collected.
      @policy.free = C::POLICY_FREE
      options.each { |option, value| set(option, value) }
    end

    # Two objects would release one policy.
    undef_method :initialize_copy

    # What an option has come to, as set takes it; also "uid", "gid" and "groups", as numbers.
    def get(option)
      name = text(option)
      ECSecurity.send(:written, @policy) { |buffer, size| C.policy_get(@policy, name, buffer, size) }
    end

    # Sets one option; nil sets it to its default.
    def set(option, value)
      ECSecurity.send(:check, C.policy_set(@policy, text(option), text(value)), @policy)
    end

    # Sets the options of the Security stanza of a configuration file.
    def load(path)
      ECSecurity.send(:check, C.policy_load(@policy, text(path)), @policy)
    end

    # As load, of a text.
    def parse(configuration)
      ECSecurity.send(:check, C.policy_parse(@policy, text(configuration)), @policy)
    end

    # Raises what apply would raise; changes nothing.
    def check
      ECSecurity.send(:check, C.policy_check(@policy), @policy)
    end

    # Every thread of the process ends as asked, or this raises and nothing has changed.
    def apply
      ECSecurity.send(:check, C.policy_apply(@policy), @policy)
    end

    private

    def text(value)
      ECSecurity.send(:text, value)
    end
  end

  class << self
    # Becomes a user and group, by name or number, with just these capabilities left, in every thread of the process.
    def apply(user = nil, group = nil, capabilities = nil)
      check(C.apply(text(user), text(group), text(capabilities)))
    end

    # The sets that a text in the format of cap_from_text(3) describes.
    def caps_from_text(capabilities)
      caps = Fiddle::Pointer.malloc(24, Fiddle::RUBY_FREE)
      check(C.caps_from_text(text(capabilities), caps))
      Caps.new(*caps[0, 24].unpack("Q3"))
    end

    # The text of three sets, as cap_to_text(3) has it.
    def caps_to_text(caps)
      given = caps.to_a.pack("Q3")
      written { |buffer, size| C.caps_to_text(given, buffer, size) }
    end

    # What each thread of a process holds, as text; 0 is this process.
    def status(pid = 0)
      written { |buffer, size| C.status(pid, buffer, size) }
    end

    # Makes permitted capabilities effective in the calling thread; with a block, only while that runs.
    def raised(capabilities)
      check(C.raise(text(capabilities)))
      return unless block_given?

      begin
        yield
      ensure
        lower(capabilities)
      end
    end

    # Takes capabilities out of the calling thread's effective set; they stay permitted.
    def lower(capabilities)
      check(C.lower(text(capabilities)))
    end

    # The version of the library that is loaded.
    def version
      C.version
    end

    private

    def check(status, policy = nil)
      raise Error.new(status.abs, policy) unless status.zero?
    end

    # Numbers become decimal ids.
    def text(value)
      value&.to_s
    end

    # What a function like snprintf writes: it is asked again with a larger buffer until all of it fits.
    def written(policy = nil)
      size = 256
      loop do
        buffer = Fiddle::Pointer.malloc(size, Fiddle::RUBY_FREE)
        needed = yield(buffer, size)
        raise Error.new(-needed, policy) if needed.negative?
        return buffer.to_s if needed < size

        size = needed + 1
      end
    end
  end
end
