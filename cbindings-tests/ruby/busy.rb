# frozen_string_literal: true

# A Ruby server whose workers never rest; tests/runtimes says what it answers to.
require "digest/sha2"
require "socket"
require_relative "ec_security"

$stdout.sync = true

Thread.abort_on_exception = true
DONE = Array.new(4, 0)
JOBS = Array.new(4) { Queue.new }
LISTENERS = []

# Half of them compute, half wait in system calls; a job may come in between.
def worker(number)
  block = Random.bytes(1 << 14)
  reading, writing = IO.pipe
  loop do
    if number.odd?
      Digest::SHA256.digest(block)
      Thread.pass
    else
      writing.syswrite(block[0, 4096])
      reading.sysread(4096)
      sleep 0.0001
    end
    DONE[number] += 1
    next if JOBS[number].empty?

    job, answer = JOBS[number].pop
    answer << job.call
  end
end

def in_worker(number, &job)
  answer = Queue.new
  JOBS[number] << [job, answer]
  answer
end

def bind(port)
  LISTENERS << TCPServer.new("127.0.0.1", port)
  "ok"
rescue SystemCallError => e
  "failed\t#{e.message}"
end

def wrong_messages(name)
  100.times.count do
    ECSecurity.apply(name)
    true
  rescue ECSecurity::Error => e
    !e.message.include?(name)
  end
end

def policy_from(how, words)
  policy = ECSecurity::Policy.new
  policy.public_send(how, words.first)
  policy.apply
  "ok"
end

def answer(command, *words)
  words.map! { |word| word unless word == "-" }
  case command
  when "work" then ["work", *DONE].join("\t")
  when "apply"
    ECSecurity.apply(*words)
    "ok"
  when "policy"
    ECSecurity::Policy.new(**words[1..].to_h { |word| word.split("=", 2) }.transform_keys(&:to_sym)).public_send(words[0])
    "ok"
  when "get" then ECSecurity::Policy.new(user: words[0]).get(words[1])
  when "parse", "load" then policy_from(command, words)
  when "raised"
    ECSecurity.raised(words[0]) do
      puts "inside"
      $stdin.gets
    end
    "ok"
  when "bind" then words[0] == "main" ? bind(words[1].to_i) : in_worker(0) { bind(words[1].to_i) }.pop
  when "root"
    begin
      Process::Sys.setuid(0)
      "ok"
    rescue SystemCallError => e
      "failed\t#{e.message}"
    end
  when "text"
    caps = ECSecurity.caps_from_text(words[0])
    ["text", *caps.to_a, ECSecurity.caps_to_text(caps)].join("\t")
  when "status" then "status\t#{ECSecurity.status.gsub("\n", " | ")}"
  when "version" then "version\t#{ECSecurity.version}"
  when "names" then ["names", *ECSecurity::STATUS.map { |name, number| "#{name}=#{number}" }].join("\t")
  when "nul"
    begin
      ECSecurity.apply("root\0nobody")
      "taken"
    rescue ArgumentError
      "refused"
    end
  when "race"
    waiting = [0, 1].map { |number| in_worker(number) { wrong_messages("no-such-#{number}") } }
    "race\t200\t#{waiting.sum(&:pop)}"
  end
end

DONE.each_index { |number| Thread.new { worker(number) } }
puts "ready"
while (line = $stdin.gets)
  begin
    puts answer(*line.chomp.split("\t", -1))
  rescue ECSecurity::Error => e
    puts ["error", e.name || e.status, e.kind, e.message].join("\t")
  end
end
