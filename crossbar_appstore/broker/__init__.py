"""KAZOO's message broker (AMQP): announces what is written, and hears of what others write."""
