"""The stream protocol of the AI SDK's chat clients."""
