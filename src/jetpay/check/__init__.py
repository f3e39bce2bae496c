"""Is this installation healthy and safe?"""
